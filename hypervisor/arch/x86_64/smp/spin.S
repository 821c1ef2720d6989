// SPDX-License-Identifier: MIT
// The slow way of SpinLock::lock(), which is called where the compiler expects no call: it keeps every register.

        .section .text, "ax", @progbits
// rdi = address of the ticket being served, esi = ours.
        .globl  spin_until_served
        .type   spin_until_served, @function
spin_until_served:
        pushq   %rbp
        movq    %rsp, %rbp
        andq    $-16, %rsp
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %rbx
        pushq   %r12
        subq    $8, %rsp
        movq    %rdi, %rbx
        movl    %esi, %r12d
        jmp     2f
1:      call    spin_step
2:      cmpl    %r12d, (%rbx)
        jne     1b
        addq    $8, %rsp
        popq    %r12
        popq    %rbx
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        leave
        ret
        .size   spin_until_served, . - spin_until_served
