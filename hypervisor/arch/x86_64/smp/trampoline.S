// SPDX-License-Identifier: MIT
// Where other CPUs begin: copied to a page below 1 MiB, from real mode to their own stack at the high address.
//
// The page is mapped one to one by the trampoline root only; that root also has the hypervisor's slots. A CPU finds its
// slot by APIC identifier, reports there, and waits until the boot CPU gives it its number (or tells it to stay away).

#define IMAGE_BASE 0xffff810000000000
#define AT(label) (label - trampoline_start)

    .section .rodata.trampoline, "a"
    .global trampoline_start, trampoline_end
    .global trampoline_patch

    .balign 16
    .code16
trampoline_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    movzwl %ax, %ebx
    shl $4, %ebx // linear address of this page
    lea AT(flat_gdt)(%ebx), %eax
    mov %eax, AT(flat_gdt_pointer) + 2
    lea AT(protected_entry)(%ebx), %eax
    mov %eax, AT(far_target)
    lea AT(long_entry)(%ebx), %eax
    mov %eax, AT(long_target)
    lgdtl AT(flat_gdt_pointer)
    mov $0x11, %eax // PE, ET
    mov %eax, %cr0
    ljmpl *AT(far_target)

    .code32
protected_entry:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x620, %eax // PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov AT(trampoline_patch)(%ebx), %eax // root
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or AT(trampoline_patch) + 4(%ebx), %eax // LME and, where there is one, NXE
    wrmsr
    mov $0x80010033, %eax
    mov %eax, %cr0
    ljmpl *AT(long_target)(%ebx)

    .code64
long_entry:
    movabs $ap_high_entry, %rax
    jmp *%rax

    .balign 8
flat_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff // 32-bit code
    .quad 0x00cf93000000ffff // data
    .quad 0x00af9b000000ffff // 64-bit code
flat_gdt_pointer:
    .word flat_gdt_pointer - flat_gdt - 1
    .long 0
    .balign 4
far_target:
    .long 0
    .word 0x08
    .balign 4
long_target:
    .long 0
    .word 0x18
    .balign 8
trampoline_patch:
    .long 0 // trampoline root, below 4 GiB
    .long 0 // EFER bits to set
trampoline_end:

    .text
    .code64
    .balign 16
ap_high_entry:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    // APIC identifier: leaf 0xb where there is one with a type, else leaf 1
    mov $0, %eax
    cpuid
    cmp $0xb, %eax
    jb 1f
    mov $0xb, %eax
    xor %ecx, %ecx
    cpuid
    mov %edx, %esi
    test $0xffff, %ebx
    jnz 2f
1:  mov $1, %eax
    cpuid
    mov %ebx, %esi
    shr $24, %esi
2:  lea starting_cpus(%rip), %rdi
    mov starting_cpu_count(%rip), %ecx
    // slots of 16 bytes: APIC identifier, arrived, number + 1
3:  test %ecx, %ecx
    jz 6f
    cmp %esi, (%rdi)
    je 4f
    add $16, %rdi
    dec %ecx
    jmp 3b
4:  movl $1, 4(%rdi)
5:  pause
    mov 8(%rdi), %eax
    test %eax, %eax
    jz 5b
    js 6f
    dec %eax
    mov %eax, %edi
    // stack of this CPU: layout::cpu_region(number) + layout::kCpuStackTop, without the room of the guest's frame
    shl $16, %rax
    movabs $(IMAGE_BASE + (1 << 30) + 0xa000 - 0xc0), %rsp
    add %rax, %rsp
    mov final_root(%rip), %rax
    mov %rax, %cr3
    xor %ebp, %ebp
    call start_this_cpu
6:  cli
    hlt
    jmp 6b

    .section .note.GNU-stack, "", @progbits
