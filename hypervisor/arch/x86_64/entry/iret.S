// SPDX-License-Identifier: MIT
// The iret hypercall, which ends every event, exception and system call of a guest, for frames that ask for nothing
// special. return_to_guest_frame() in pv/iret.cpp is the whole of it: whenever something is unusual, or does not work, it
// does everything from the start. Until then nothing changes that it would not set in the same way: the event mask, and
// parts of our own frame.
//
// Unusual are: the end of an NMI, a virtual IOPL, an event that waits or work for this CPU, a guest frame that cannot be
// read, a user mode without an address space.
//
// Invariants
//  - Only rax, rcx and r11 are used: everything else is the guest's from here to there.
//  - r11 is the guest's frame until nothing can fault any more.
//  - A frame may start anywhere but in our part, and of one that starts just below it, in the hole, only words that anybody
//    may read can lie there: the first slot is the machine-to-phys table's. Its first word, rax, is always read before
//    anything is final, and faults.
//  - A word that is read twice may differ. What the first look at cs decides is the mode; the selectors are those of
//    ring 3 whatever the second finds.
//  - The event mask is written before the look at what is pending. Who sends an event writes that first and interrupts
//    this CPU then, so either is seen here or the interrupt comes after the return.
#include <arch/x86_64/entry/macros.inc>

        .section .text.hot.entry, "ax", @progbits

// One word of the guest's frame, through rcx or where it says, to the same word of ours.
.macro TAKE from, to
        GUARDED iret_slowly, movq \from(%r11), %rcx
        movq    %rcx, (8 + \to)(%rsp)
.endm

.macro TAKE_SELECTOR from, to
        GUARDED iret_slowly, movzwl \from(%r11), %ecx
        orl     $3, %ecx
        movq    %rcx, (8 + \to)(%rsp)
.endm

// rip, cs, rflags, rsp and ss.
.macro TAKE_CPU_FRAME
        TAKE    IRET_RIP, FRAME_RIP
        TAKE_SELECTOR IRET_CS, FRAME_CS
        GUARDED iret_slowly, movl IRET_RFLAGS(%r11), %ecx
        andl    $IRET_FLAGS_KEPT, %ecx
        orl     $IRET_FLAGS_SET, %ecx
        movq    %rcx, (8 + FRAME_RFLAGS)(%rsp)
        TAKE    IRET_RSP, FRAME_RSP
        TAKE_SELECTOR IRET_SS, FRAME_SS
.endm

.macro COUNT_IRET
        movq    VCPU_COUNTERS(%rax), %rcx
        addq    $1, COUNTER_IRET(%rcx)
.endm

// rsp = address of the frame's rsp slot, rcx = rip, r11 = rflags. In guest user mode the number is one of the guest's own.
        .globl  entry_iret
        .type   entry_iret, @function
entry_iret:
        movq    (FRAME_SIZE - FRAME_RSP + CPU_CURRENT)(%rsp), %rax
        cmpb    $0, VCPU_IN_KERNEL(%rax)
        je      1f
        subq    $(8 + FRAME_RSP), %rsp
        movq    %rcx, (8 + FRAME_RIP)(%rsp)     // for a report of what may go wrong
        movq    %r11, (8 + FRAME_RFLAGS)(%rsp)
        movq    (8 + FRAME_RSP)(%rsp), %r11
        movabsq $(-HYPERVISOR_START), %rcx      // may_start_guest_range(): the words go upwards from here
        addq    %r11, %rcx
        shrq    $HYPERVISOR_SHIFT, %rcx
        jz      iret_slowly
        cmpb    $0, VCPU_NMI_MASKED(%rax)
        jne     iret_slowly
        movq    VCPU_DOMAIN(%rax), %rcx
        testl   $ASSIST_IOPL, DOMAIN_VM_ASSIST(%rcx)
        jnz     iret_slowly
        SET_AC
        movq    VCPU_INFO(%rax), %rcx
        GUARDED iret_slowly, btl $9, IRET_RFLAGS(%r11) // IF: events are let through
        setnc   INFO_MASK(%rcx)
        movzbl  INFO_PENDING(%rcx), %ecx
        orl     (8 + FRAME_SIZE + CPU_WORK)(%rsp), %ecx
        jnz     iret_slowly
        GUARDED iret_slowly, movl IRET_CS(%r11), %ecx
        andl    $3, %ecx
        cmpl    $3, %ecx
        je      iret_to_user
        GUARDED iret_slowly, testl $IRET_FROM_SYSTEM_CALL, IRET_FLAGS(%r11)
        jnz     iret_slowly
        COUNT_IRET
        TAKE_CPU_FRAME
        GUARDED iret_slowly, movq IRET_RAX(%r11), %rax
        GUARDED iret_slowly, movq IRET_RCX(%r11), %rcx
        GUARDED iret_slowly, movq IRET_R11(%r11), %r11
        CLEAR_AC
        addq    $(8 + FRAME_RIP), %rsp
        jmp     guest_iret
1:      movl    $HYPERCALL_IRET, %eax
        jmp     not_iret
        .size   entry_iret, . - entry_iret

// To user mode. The guest kernel's stack is out of reach once its root is not loaded, so all of the frame is taken before.
        .type   iret_to_user, @function
iret_to_user:
        cmpq    $NO_ROOT, VCPU_USER_ROOT(%rax)
        je      iret_slowly
        COUNT_IRET
        TAKE_CPU_FRAME
        TAKE    IRET_RAX, FRAME_RAX
        TAKE    IRET_RCX, FRAME_RCX
        TAKE    IRET_R11, FRAME_R11
        GUARDED iret_slowly, movl IRET_FLAGS(%r11), %r11d
        CLEAR_AC
        // enter_user_mode()
        movb    $0, VCPU_IN_KERNEL(%rax)
        swapgs
        movq    VCPU_USER_ROOT(%rax), %rcx
        shlq    $PAGE_SHIFT, %rcx
        cmpq    %rcx, (8 + FRAME_SIZE + CPU_LOADED_ROOT)(%rsp)
        je      1f
        movq    %rcx, (8 + FRAME_SIZE + CPU_LOADED_ROOT)(%rsp)
        movq    %rcx, %cr3
        // SYSRET, which is cheaper, where it gives exactly the frame (pv/return.hpp).
1:      testl   $IRET_FROM_SYSTEM_CALL, %r11d
        movq    (8 + FRAME_RIP)(%rsp), %rcx
        movq    (8 + FRAME_RFLAGS)(%rsp), %r11
        jnz     2f
        cmpq    %rcx, (8 + FRAME_RCX)(%rsp)
        jne     4f
        cmpq    %r11, (8 + FRAME_R11)(%rsp)
        jne     4f
        cmpl    $SELECTOR_GUEST_CODE64, (8 + FRAME_CS)(%rsp)
        jne     4f
        cmpl    $SELECTOR_GUEST_DATA, (8 + FRAME_SS)(%rsp)
        je      3f
        jmp     4f
        // After a system call those are what SYSRET leaves, and rcx and r11 may be lost.
2:      movq    $SELECTOR_GUEST_CODE64, (8 + FRAME_CS)(%rsp)
        movq    $SELECTOR_GUEST_DATA, (8 + FRAME_SS)(%rsp)
3:      testl   $FLAG_TRAP, %r11d
        jnz     4f
        movq    %rcx, %rax
        shrq    $47, %rax                       // of the lower half
        jnz     4f
        movq    (8 + FRAME_RAX)(%rsp), %rax
        movq    (8 + FRAME_RSP)(%rsp), %rsp
        sysretq
4:      movq    (8 + FRAME_RAX)(%rsp), %rax
        movq    (8 + FRAME_RCX)(%rsp), %rcx
        movq    (8 + FRAME_R11)(%rsp), %r11
        addq    $(8 + FRAME_RIP), %rsp
        jmp     guest_iret
        .size   iret_to_user, . - iret_to_user

// rsp = frame - 8, r11 = the guest's rsp.
        .type   iret_slowly, @function
iret_slowly:
        CLEAR_AC
        movq    %r11, (8 + FRAME_RSP)(%rsp)
        SAVE_ARGUMENTS
        SAVE_KEPT
        leaq    8(%rsp), %rdi
        leaq    (8 + FRAME_SIZE)(%rsp), %rsi    // CpuLocal
        call    handle_iret
        jmp     return_as_told
        .size   iret_slowly, . - iret_slowly
