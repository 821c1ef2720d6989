// SPDX-License-Identifier: MIT
// Every way into the hypervisor, and the way back to a guest but for its iret hypercall, which is in iret.S.
//
// Invariants
//  - Interrupts are off from entry to exit; every gate is an interrupt gate and SYSCALL masks IF.
//  - Entries from a guest build a TrapFrame that ends at the top of this CPU's main stack. That of a 64-bit SYSCALL lacks
//    what its handler does not need: cs, ss, rcx and r11, which are known and put in when anything but this very SYSRET
//    follows, and rbx, rbp and r12 to r15 until the handler has returned. Entries from ourselves (faults with a fix-up,
//    interrupts of the idle loop) build one wherever the stack is.
//  - GS is never touched here: it belongs to the guest.
//  - #DB, NMI, #MC and #DF have stacks of their own, since they can hit the first instruction of an entry.
//
//   top of stack -> ss rsp rflags cs rip | vector:error | rdi rsi rdx rcx rax r8 r9 r10 r11 rbx rbp r12 r13 r14 r15
#include <arch/x86_64/entry/macros.inc>

        .section .text.hot.entry, "ax", @progbits

// Reached from the per-CPU stub: rsp = address of the frame's rsp slot (already stored), rcx = rip, r11 = rflags.
// The argument registers are C's but for r10 in place of rcx, and go to the handler as they are.
        .globl  entry_syscall64
        .type   entry_syscall64, @function
entry_syscall64:
        cmpl    $HYPERCALL_IRET, %eax
        je      entry_iret
        .globl  not_iret
not_iret:
        SAVE_SYSCALL
        movq    %rax, (8 + FRAME_RAX)(%rsp)
        movl    $VECTOR_SYSCALL, (8 + FRAME_VECTOR)(%rsp)
        movq    (8 + FRAME_SIZE + CPU_CURRENT)(%rsp), %r11
        cmpb    $0, VCPU_IN_KERNEL(%r11)
        je      3f
        movq    %r10, %rcx
        leaq    (8 + FRAME_SIZE)(%rsp), %r9     // CpuLocal
        call    handle_syscall
        // rax: what the guest finds there. rbx, rbp and r12 to r15 are still the guest's: C++ keeps them.
4:      cmpl    $RETURN_SYSRET, %edx
        jne     1f
        movq    (8 + FRAME_RIP)(%rsp), %rcx
        movq    (8 + FRAME_RFLAGS)(%rsp), %r11
        cmpq    first_noncanonical(%rip), %rcx  // SYSRET would fault in ring 0 on the guest's stack (XSA-7)
        je      2f
        testl   $FLAG_TRAP, %r11d               // ... or trap in the guest one instruction later than it should
        jnz     2f
        RESTORE_SYSCALL
        movq    (8 + FRAME_RSP)(%rsp), %rsp
        sysretq
        // What a SYSCALL leaves out of the frame, for a return by IRETQ (complete_syscall_frame() in C++).
2:      movq    %rcx, (8 + FRAME_RCX)(%rsp)
        movq    %r11, (8 + FRAME_R11)(%rsp)
        movq    $SELECTOR_GUEST_CODE64, (8 + FRAME_CS)(%rsp)
        movq    $SELECTOR_GUEST_DATA, (8 + FRAME_SS)(%rsp)
        movl    $RETURN_IRET, %edx
        // From here on somebody may look at all of it.
1:      movq    %rax, (8 + FRAME_RAX)(%rsp)
        movl    %edx, %eax
        SAVE_KEPT
        jmp     return_as_told
        // A system call of the guest's own.
3:      leaq    8(%rsp), %rdi
        leaq    (8 + FRAME_SIZE)(%rsp), %rsi    // CpuLocal
        call    handle_guest_syscall
        jmp     4b
        .size   entry_syscall64, . - entry_syscall64

// SYSCALL from 32-bit code (AMD): eip in rcx.
        .globl  entry_syscall32
        .type   entry_syscall32, @function
entry_syscall32:
        movq    $SELECTOR_GUEST_DATA, 8(%rsp)
        pushq   %r11
        pushq   $SELECTOR_GUEST_CODE32
        pushq   %rcx
        pushq   $0
        movl    $VECTOR_SYSCALL32, 4(%rsp)
        SAVE_REGISTERS
        movq    %rsp, %rdi
        subq    $8, %rsp
        xorl    %ebp, %ebp
        call    handle_syscall32
        jmp     exit_to_guest
        .size   entry_syscall32, . - entry_syscall32

// SYSENTER (Intel): no register tells where it came from, so the ABI gives the guest's handler a frame of zeros. TF, NT, AC
// and DF come along: those in force here are cleared first of all that could mind, after at most a #DB for each instruction.
        .globl  entry_sysenter
        .type   entry_sysenter, @function
entry_sysenter:
        pushq   $SELECTOR_GUEST_DATA
        pushq   $0
        pushfq
        orl     $FLAG_INTERRUPT, (%rsp)
        pushq   $3
        pushq   $0
        pushq   $0
        movl    $VECTOR_SYSENTER, 4(%rsp)
        pushq   $FLAG_FIXED
        popfq
        SAVE_REGISTERS
        movq    %rsp, %rdi
        subq    $8, %rsp
        xorl    %ebp, %ebp
        call    handle_sysenter
        jmp     exit_to_guest
        .size   entry_sysenter, . - entry_sysenter

// The frame is complete below the GPRs: [rsp] = error:vector, then rip, cs, rflags, rsp, ss.
        .type   entry_common, @function
entry_common:
        SAVE_REGISTERS
        CLEAR_AC
        cld
        movq    %rsp, %rdi
        testb   $3, FRAME_CS(%rdi)
        jz      1f
        subq    $8, %rsp
        call    handle_guest_trap
        jmp     return_as_told          // with whatever it changed in the frame, all registers included

        // From ourselves. The handler returns 0 when the frame may simply be resumed, else the guest frame to continue
        // with: a fault of the return to the guest has been turned into an exception of the guest.
1:      movq    %rsp, %rbp
        andq    $-16, %rsp
        call    handle_own_trap
        testq   %rax, %rax
        jnz     2f
        movq    %rbp, %rsp
        RESTORE_REGISTERS
        addq    $8, %rsp
        iretq
2:      movq    %rax, %rdi
        leaq    -8(%rax), %rsp
        xorl    %ebp, %ebp
        call    handle_guest_trap
        // falls through
        .size   entry_common, . - entry_common

// The way back when anything waits: rsp = frame - 8. prepare_exit does it (scheduling, events), which may replace the whole
// frame.
        .globl  exit_to_guest
        .type   exit_to_guest, @function
exit_to_guest:
        leaq    8(%rsp), %rdi
        call    prepare_exit
// What the handler of an entry says about the way back (pv/return.hpp) is in eax; rsp = frame - 8.
        .globl  return_as_told
return_as_told:
        testl   %eax, %eax
        jz      exit_to_guest
        addq    $8, %rsp
        cmpl    $RETURN_SYSRET, %eax
        jne     return_by_iret
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        movq    8(%rsp), %rcx           // rip: canonical, checked by prepare_exit
        movq    24(%rsp), %r11          // rflags
        movq    32(%rsp), %rsp
        sysretq
return_by_iret:
        RESTORE_REGISTERS
        addq    $8, %rsp
        .globl  guest_iret
guest_iret:
        iretq
        .size   exit_to_guest, . - exit_to_guest

// For stacks of their own. From a guest: move the frame to the main stack and go on as if it had arrived there.
        .type   entry_own_stack, @function
entry_own_stack:
        SAVE_REGISTERS
        CLEAR_AC
        cld
        movq    %rsp, %rdi
        testb   $3, FRAME_CS(%rdi)
        jz      1f
        movq    %rsp, %rsi
        movq    %rsp, %rdi
        andq    $-CPU_STRIDE, %rdi
        addq    $(CPU_STACK_TOP - FRAME_SIZE), %rdi
        movq    %rdi, %rax
        movl    $(FRAME_SIZE / 8), %ecx
        rep movsq
        leaq    -8(%rax), %rsp
        movq    %rax, %rdi
        xorl    %ebp, %ebp
        call    handle_guest_trap
        jmp     exit_to_guest
1:      movq    %rsp, %rbp
        andq    $-16, %rsp
        call    handle_own_trap
        movq    %rbp, %rsp
        RESTORE_REGISTERS
        addq    $8, %rsp
        iretq
        .size   entry_own_stack, . - entry_own_stack

// 256 entries. Vectors 8, 10..14, 17, 21, 29, 30 push an error code (Intel SDM vol. 3, table 6-1; AMD APM vol. 2, 8.2).
        .altmacro
.macro ENTRY vector
entry_vector_\vector:
  .if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
        movl    $\vector, 4(%rsp)
  .else
        pushq   $0
        movl    $\vector, 4(%rsp)
  .endif
  .if (\vector == 1) || (\vector == 2) || (\vector == 8) || (\vector == 18)
        jmp     entry_own_stack
  .else
        jmp     entry_common
  .endif
.endm

        .set    vector, 0
        .rept   256
        ENTRY   %vector
        .set    vector, vector + 1
        .endr

        .section .rodata.entry, "a", @progbits
        .balign 8
// SYSCALL at the very end of the lower half leaves this in rcx: the only address that is not canonical and can be there.
first_noncanonical:
        .quad   0x0000800000000000
        .globl  exception_entry_table
        .type   exception_entry_table, @object
exception_entry_table:
.macro ENTRY_POINTER vector
        .quad   entry_vector_\vector
.endm
        .set    vector, 0
        .rept   256
        ENTRY_POINTER %vector
        .set    vector, vector + 1
        .endr
        .size   exception_entry_table, . - exception_entry_table
