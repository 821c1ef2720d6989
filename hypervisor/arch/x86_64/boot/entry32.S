// SPDX-License-Identifier: MIT
// The boot loader's door: multiboot headers, then from 32-bit protected mode to C++ at the high image address.
//
// Temporary page tables, all 2 MiB pages, in our bss:
//   slot 0    identity map of the first 4 GiB     \ the same L3: boot_l3_low
//   slot 264  direct map of the first 4 GiB       /
//   slot 258  image: +0..1 GiB -> physical 0..1 GiB
// The final tables (paging.cpp) replace them before any other CPU starts.

#define IMAGE_BASE 0xffff810000000000
#define PHYSICAL(symbol) (symbol - IMAGE_BASE)

#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00010003 // page-aligned modules, memory map, explicit addresses
#define MULTIBOOT2_MAGIC 0xe85250d6

    .section .multiboot, "ax"
    .balign 8
multiboot1_header:
    .long MULTIBOOT1_MAGIC
    .long MULTIBOOT1_FLAGS
    .long -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)
    .long PHYSICAL(multiboot1_header)
    .long PHYSICAL(image_start)
    .long load_end_physical
    .long image_end_physical
    .long PHYSICAL(boot_entry32)

    .balign 8
multiboot2_header:
    .long MULTIBOOT2_MAGIC
    .long 0 // i386 protected mode
    .long multiboot2_end - multiboot2_header
    .long -(MULTIBOOT2_MAGIC + (multiboot2_end - multiboot2_header))
    // information request: command line, modules, memory map, frame buffer, old and new RSDP
    .balign 8
1:  .word 1, 1 // optional
    .long 2f - 1b
    .long 1, 3, 6, 8, 14, 15
2:
    .balign 8 // addresses
    .word 2, 0
    .long 24
    .long PHYSICAL(multiboot2_header)
    .long PHYSICAL(image_start)
    .long load_end_physical
    .long image_end_physical
    .balign 8 // entry point
    .word 3, 0
    .long 12
    .long PHYSICAL(boot_entry32)
    .balign 8 // console: text mode supported
    .word 4, 1
    .long 12
    .long 2
    .balign 8 // modules page-aligned
    .word 6, 0
    .long 8
    .balign 8
    .word 0, 0
    .long 8
multiboot2_end:

    .section .text.boot32, "ax"
    .code32
    .global boot_entry32
boot_entry32:
    cli
    cld
    mov $PHYSICAL(boot_stack_top), %esp
    mov %eax, %ebp // loader magic
    mov %ebx, %esi // information structure

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    test $(1 << 29), %edx
    jz no_long_mode
    mov %edx, %edi // kept for NX

    // L2: 2048 entries of 2 MiB
    mov $PHYSICAL(boot_l2), %ebx
    mov $0x83, %eax
    xor %ecx, %ecx
1:  mov %eax, (%ebx, %ecx, 8)
    movl $0, 4(%ebx, %ecx, 8)
    add $0x200000, %eax
    inc %ecx
    cmp $2048, %ecx
    jb 1b
    movl $(PHYSICAL(boot_l2) + 0x0003), PHYSICAL(boot_l3_low)
    movl $(PHYSICAL(boot_l2) + 0x1003), PHYSICAL(boot_l3_low) + 8
    movl $(PHYSICAL(boot_l2) + 0x2003), PHYSICAL(boot_l3_low) + 16
    movl $(PHYSICAL(boot_l2) + 0x3003), PHYSICAL(boot_l3_low) + 24
    movl $(PHYSICAL(boot_l2) + 0x0003), PHYSICAL(boot_l3_image)
    movl $(PHYSICAL(boot_l3_low) + 3), PHYSICAL(boot_l4)
    movl $(PHYSICAL(boot_l3_image) + 3), PHYSICAL(boot_l4) + 258 * 8
    movl $(PHYSICAL(boot_l3_low) + 3), PHYSICAL(boot_l4) + 264 * 8

    mov $PHYSICAL(boot_l4), %eax
    mov %eax, %cr3
    mov $0x620, %eax // PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax // LME
    test $(1 << 20), %edi
    jz 2f
    or $0x800, %eax // NXE
2:  wrmsr
    mov $0x80010033, %eax // PG, WP, NE, ET, MP, PE
    mov %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $0x08, $PHYSICAL(long_mode)

no_long_mode:
    mov $PHYSICAL(no_long_mode_text), %esi
    mov $0x3f8, %dx
3:  lodsb
    test %al, %al
    jz 4f
    out %al, %dx
    jmp 3b
4:  hlt
    jmp 4b

    .code64
long_mode:
    movabs $high_entry, %rax
    jmp *%rax
high_entry:
    lea boot_stack_top(%rip), %rsp
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %eax, %fs
    mov %eax, %gs
    mov %ebp, %edi
    mov %esi, %esi
    xor %ebp, %ebp
    call boot_main
5:  hlt
    jmp 5b

    .section .rodata.boot32, "a"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff // code, 64-bit
    .quad 0x00cf93000000ffff // data
    .balign 8
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .quad PHYSICAL(boot_gdt)
no_long_mode_text:
    .asciz "Tessera: this CPU has no 64-bit mode, cannot start.\r\n"

    .section .bss.boot32, "aw", @nobits
    .balign 4096
boot_l4:
    .skip 4096
boot_l3_low:
    .skip 4096
boot_l3_image:
    .skip 4096
boot_l2:
    .skip 4 * 4096
boot_stack:
    .skip 4 * 4096
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
