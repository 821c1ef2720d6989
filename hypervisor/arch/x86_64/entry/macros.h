// SPDX-License-Identifier: MIT
// Frames as entries build and undo them, and guest memory, in assembly.
#include <entry_offsets.h>

.macro SAVE_REGISTERS pushq % rdi pushq % rsi pushq % rdx pushq % rcx pushq % rax pushq % r8 pushq % r9 pushq %
    r10 pushq % r11 pushq % rbx pushq % rbp pushq % r12 pushq % r13 pushq % r14 pushq %
    r15.endm

        .macro RESTORE_REGISTERS popq %
    r15 popq % r14 popq % r13 popq % r12 popq % rbp popq % rbx popq % r11 popq % r10 popq % r9 popq % r8 popq %
    rax popq % rcx popq % rdx popq % rsi popq %
    rdi.endm

        // For SYSCALL, rsp = frame - 8: rip and rflags from where it leaves them, and what C++ may change but rax, rcx and r11.
        .macro SAVE_SYSCALL subq $(8 + FRAME_RSP),
    % rsp movq % rcx, (8 + FRAME_RIP)(% rsp) movq % r11, (8 + FRAME_RFLAGS)(% rsp) movq % rdi,
    (8 + FRAME_RDI)(% rsp) movq % rsi, (8 + FRAME_RSI)(% rsp) movq % rdx, (8 + FRAME_RDX)(% rsp) movq % r8,
    (8 + FRAME_R8)(% rsp) movq % r9, (8 + FRAME_R9)(% rsp) movq % r10,
    (8 + FRAME_R10)(% rsp)
        .endm

        .macro RESTORE_SYSCALL movq(8 + FRAME_RDI)(% rsp),
    % rdi movq(8 + FRAME_RSI)(% rsp), % rsi movq(8 + FRAME_RDX)(% rsp), % rdx movq(8 + FRAME_R8)(% rsp),
    % r8 movq(8 + FRAME_R9)(% rsp), % r9 movq(8 + FRAME_R10)(% rsp),
    %
        r10.endm

            // What C++ keeps, put into the frame when somebody may look at all of it.
            .macro SAVE_KEPT movq
        % rbx,
    (8 + FRAME_RBX)(% rsp) movq % rbp, (8 + FRAME_RBP)(% rsp) movq % r12, (8 + FRAME_R12)(% rsp) movq % r13,
    (8 + FRAME_R13)(% rsp) movq % r14, (8 + FRAME_R14)(% rsp) movq % r15,
    (8 + FRAME_R15)(% rsp)
        .endm

        // With SMAP, EFLAGS.AC left set by a guest would let us touch its memory by accident. Three bytes of NOP, which boot
        // turns into CLAC where the CPU has SMAP (entry/smap.hpp).
        .macro CLEAR_AC 771 :.byte 0x0f,
    0x1f, 0x00 .pushsection.rodata.smap_clac, "a",
    @progbits.quad 771b .popsection
        .endm

        .macro SET_AC 771 :.byte 0x0f,
    0x1f, 0x00 .pushsection.rodata.smap_stac, "a",
    @progbits.quad 771b .popsection
        .endm

        // An instruction that reaches guest memory, and where to go on when it faults (entry/fixup.hpp).
        .macro GUARDED continuation,
    instruction : vararg 772 :    \instruction.pushsection.rodata.fixups, "a",
    @progbits.quad 772b, \continuation.popsection.endm
