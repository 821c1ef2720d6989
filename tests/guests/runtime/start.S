/* SPDX-License-Identifier: MIT */
/* Notes and first instructions of a test guest: an ELF image that any Xen-compatible hypervisor loads. */
#include <xen/elfnote.h>

.macro NOTE type, kind, value:vararg
        .section .note.xen, "a", @note
        .balign 4
        .long   4, 2f - 1f, \type
        .asciz  "Xen"
1:      \kind   \value
2:      .balign 4
.endm
        NOTE    XEN_ELFNOTE_GUEST_OS, .asciz, "tessera-test"
        NOTE    XEN_ELFNOTE_LOADER, .asciz, "generic"
        NOTE    XEN_ELFNOTE_XEN_VERSION, .asciz, "xen-3.0"
        NOTE    XEN_ELFNOTE_PAE_MODE, .asciz, "yes"
        NOTE    XEN_ELFNOTE_FEATURES, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
        NOTE    XEN_ELFNOTE_HYPERCALL_PAGE, .quad, hypercall_page

        .section .text.start, "ax", @progbits
        .globl  _start
_start:
        cld
        movq    %rsi, start_info(%rip)
        leaq    stack_top(%rip), %rsp
        xorl    %ebp, %ebp
        call    run
        ud2

/* A child domain's and a second vCPU's first instructions. The child's entry function comes in rdi. */
        .globl  child_start
child_start:
        cld
        leaq    stack_top(%rip), %rsp
        xorl    %ebp, %ebp
        call    *%rdi
        ud2
        .globl  second_start
second_start:
        cld
        xorl    %ebp, %ebp
        call    on_second_start
        ud2

/* run_user(code, argument, flags, selector): to user mode by the iret hypercall; syscall_entry brings the control flow back. */
        .globl  run_user
run_user:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, user_return_stack(%rip)
        pushq   $0xe02b
        leaq    user_stack_top(%rip), %rax
        pushq   %rax
        pushq   %rdx
        pushq   %rcx
        pushq   %rdi
        pushq   $0                      /* flags */
        pushq   $0                      /* rcx */
        pushq   $0                      /* r11 */
        pushq   $0                      /* rax */
        movq    %rsi, %rdi
        movl    $23, %eax
        syscall
        ud2
        .globl  syscall_entry
syscall_entry:
        cld
        leaq    user_frame(%rip), %rbx
        .set    word, 0
        .rept   7
        movq    word(%rsp), %rcx
        movq    %rcx, word(%rbx)
        .set    word, word + 8
        .endr
        .globl  return_from_user        /* to whoever set user_return_stack */
return_from_user:
        movq    user_return_stack(%rip), %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret

/* Every vector comes here with the number in place of what the frame has above it: builds a Trap and calls on_trap. */
        .altmacro
.macro TRAP_ENTRY vector
        .balign 16
trap_\vector:
  .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17)
  .else
        /* no error code: make room for one below rcx and r11 */
        pushq   0(%rsp)
        pushq   0(%rsp)
        pushq   %rax
        movq    24(%rsp), %rax          /* rcx */
        movq    %rax, 8(%rsp)
        movq    32(%rsp), %rax          /* r11 */
        movq    %rax, 16(%rsp)
        movq    $0, 24(%rsp)            /* error code, where rcx was */
        movq    40(%rsp), %rax
        movq    %rax, 32(%rsp)
        movq    48(%rsp), %rax
        movq    %rax, 40(%rsp)
        movq    56(%rsp), %rax
        movq    %rax, 48(%rsp)
        movq    64(%rsp), %rax
        movq    %rax, 56(%rsp)
        movq    72(%rsp), %rax
        movq    %rax, 64(%rsp)
        popq    %rax
  .endif
        pushq   $\vector
        jmp     trap_common
.endm
        .text
        .set    vector, 0
        .rept   256
        TRAP_ENTRY %vector
        .set    vector, vector + 1
        .endr

/* stack: vector, rcx, r11, error, rip, cs, rflags, rsp, ss */
trap_common:
        pushq   %rax
        pushq   %rbx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rbp
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %rdi
        movq    %rsp, %rbp
        andq    $-16, %rsp
        call    on_trap
        movq    %rbp, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rbp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rbx
        popq    %rax
        addq    $8, %rsp                /* vector */
        popq    %rcx
        popq    %r11
        addq    $8, %rsp                /* error */
        /* iret hypercall: frame rax, r11, rcx, flags, rip, cs, rflags, rsp, ss */
        pushq   $0
        pushq   %rcx
        pushq   %r11
        pushq   %rax
        movl    $23, %eax
        syscall
        ud2

        .section .rodata
        .globl  trap_entries
trap_entries:
.macro TRAP_POINTER vector
        .quad   trap_\vector
.endm
        .set    vector, 0
        .rept   256
        TRAP_POINTER %vector
        .set    vector, vector + 1
        .endr

        .bss
        .balign 4096
        .globl  hypercall_page
hypercall_page:
        .skip   4096
        .skip   32768
        .globl  stack_top
stack_top:
        .skip   16384
        .globl  kernel_entry_stack_top
kernel_entry_stack_top:
        .skip   16384
        .globl  user_stack_top
user_stack_top:
        .globl  second_stack
second_stack:
        .skip   16384
        .globl  second_stack_top
second_stack_top:
        .balign 16
        .globl  user_return_stack
user_return_stack:
        .skip   16
