/* SPDX-License-Identifier: MIT */
/* The shortest possible handlers: what they do counts on both sides alike. Frames as the ABI builds them:
   rcx, r11, [error,] rip, cs, rflags, rsp, ss; the iret hypercall wants rax, r11, rcx, flags below rip. */

        .set    IRET_HYPERCALL, 23
        .set    IN_SYSCALL, 256

        .text
        .globl  bench_int3
bench_int3:
        popq    %rcx
        popq    %r11
        pushq   $0
        pushq   %rcx
        pushq   %r11
        pushq   %rax
        movl    $IRET_HYPERCALL, %eax
        syscall

/* The faulting load is three bytes long: go on behind it. */
        .globl  bench_page_fault
bench_page_fault:
        popq    %rcx
        popq    %r11
        addq    $8, %rsp
        addq    $3, (%rsp)
        pushq   $0
        pushq   %rcx
        pushq   %r11
        pushq   %rax
        movl    $IRET_HYPERCALL, %eax
        syscall

        .globl  bench_touch             /* void bench_touch(void const*) */
bench_touch:
        movq    (%rdi), %rax
        ret

/* An upcall: takes note, clears what is pending, goes back. The addresses of the words are in bench_event_words. */
        .globl  bench_upcall
bench_upcall:
        popq    %rcx
        popq    %r11
        pushq   $0
        pushq   %rcx
        pushq   %r11
        pushq   %rax
        incq    bench_upcalls(%rip)
        movq    bench_upcall_pending(%rip), %rax
        movb    $0, (%rax)
        movq    bench_pending_selector(%rip), %rax
        movq    $0, (%rax)
        movq    bench_pending_word(%rip), %rax
        movq    $0, (%rax)
        movl    $IRET_HYPERCALL, %eax
        syscall

/* A system call of user mode: rax = 1 ends the user program, everything else goes back at once. */
        .globl  bench_system_call
bench_system_call:
        cmpl    $1, %eax
        je      1f
        addq    $16, %rsp
        pushq   $IN_SYSCALL
        pushq   %rcx
        pushq   %r11
        pushq   %rax
        movl    $IRET_HYPERCALL, %eax
        syscall
1:      movq    kernel_stack(%rip), %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret

/* void bench_run_user(void (*program)(), void* stack): returns when the program makes system call 1. */
        .globl  bench_run_user
bench_run_user:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, kernel_stack(%rip)
        pushq   $0xe02b                 /* ss */
        pushq   %rsi
        pushq   $0x202
        pushq   $0xe033                 /* cs with RPL 3: user mode */
        pushq   %rdi
        pushq   $0
        pushq   $0
        pushq   $0
        pushq   $0
        movl    $IRET_HYPERCALL, %eax
        syscall

/* The user program: the least number of instructions of a system call, into bench_user_best. */
        .globl  bench_user_program
bench_user_program:
        movl    $24, %ebx
        movq    $-1, %r12
1:      rdtsc
        movl    %eax, %r13d
        movl    $7, %eax
        syscall
        rdtsc
        subl    %r13d, %eax
        cmpq    %r12, %rax
        cmovb   %rax, %r12
        decl    %ebx
        jnz     1b
        movq    %r12, bench_user_best(%rip)
        movl    $1, %eax
        syscall

        .globl  bench_second_entry
bench_second_entry:
        xorl    %ebp, %ebp
        call    bench_second_vcpu
        ud2

        .bss
        .balign 8
kernel_stack:
        .quad   0
        .globl  bench_user_best, bench_upcalls, bench_upcall_pending, bench_pending_selector, bench_pending_word
bench_user_best:
        .quad   0
bench_upcalls:
        .quad   0
bench_upcall_pending:
        .quad   0
bench_pending_selector:
        .quad   0
bench_pending_word:
        .quad   0
