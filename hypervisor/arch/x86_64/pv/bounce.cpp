// SPDX-License-Identifier: MIT
// Frames on the guest kernel's stack.
#include <arch/x86_64/pv/bounce.hpp>

#include <arch/x86_64/pv/mode.hpp>
#include <core/trace/count.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kFlagTrap = 1u << 8;
constexpr std::uint64_t kFlagInterrupt = 1u << 9;
constexpr std::uint64_t kFlagIopl = 3u << 12;
constexpr std::uint64_t kFlagNestedTask = 1u << 14;
constexpr std::uint64_t kFlagResume = 1u << 16;
constexpr std::uint64_t kFlagVm = 1u << 17;
constexpr std::uint64_t kFlagAlignment = 1u << 18;

// What the guest sees as EFLAGS: IF is its event mask, IOPL its virtual one when it asked for that.
std::uint64_t visible_flags(Vcpu const& vcpu, std::uint64_t flags, bool masked)
{
    flags &= ~(kFlagIopl | kFlagInterrupt);
    if (!masked)
        flags |= kFlagInterrupt;
    if ((vcpu.domain().vm_assist & (1u << VMASST_TYPE_architectural_iopl)) != 0)
        flags |= static_cast<std::uint64_t>(vcpu.pv.iopl) << 12;
    return flags;
}

// rip, cs with the saved event mask, rflags, rsp, ss: the part that all frames share. Returns the number of words.
unsigned return_words(Vcpu const& vcpu, TrapFrame const& frame, std::uint64_t (&words)[5])
{
    bool const masked = vcpu.info->evtchn_upcall_mask != 0;
    words[0] = frame.rip;
    words[1] = static_cast<std::uint64_t>(vcpu.pv.in_kernel ? frame.cs & ~3u : frame.cs | 3u) |
               (static_cast<std::uint64_t>(vcpu.info->evtchn_upcall_mask) << 32);
    words[2] = visible_flags(vcpu, frame.rflags, masked);
    words[3] = frame.rsp;
    words[4] = frame.ss;
    return 5;
}

bool push_and_enter(Vcpu& vcpu, TrapFrame& frame, std::uint64_t const* words, unsigned count, std::uint64_t handler,
                    bool mask_events)
{
    std::uint64_t stack = vcpu.pv.in_kernel ? frame.rsp : vcpu.pv.kernel_sp;
    stack = (stack & ~15ull) - count * 8;
    enter_kernel_mode(vcpu);
    if (handler == 0 || !port::copy_to_guest(GuestVirtual{stack}, words, count * 8))
    {
        crash_domain(vcpu.domain(), handler == 0 ? "no handler for an exception" : "its kernel stack cannot be written");
        return false;
    }
    if (mask_events)
        vcpu.info->evtchn_upcall_mask = 1;
    frame.rip = handler;
    frame.cs = layout::kSelectorGuestCode64;
    frame.rflags = (frame.rflags & ~(kFlagAlignment | kFlagVm | kFlagResume | kFlagNestedTask | kFlagTrap | kFlagIopl)) |
                   kFlagInterrupt;
    frame.rsp = stack;
    frame.ss = layout::kSelectorGuestData;
    frame.vector = kVectorSyscall; // rcx and r11 are in the guest's frame: SYSRET may clobber them
    return true;
}

} // namespace

bool bounce_to_kernel(Vcpu& vcpu, TrapFrame& frame, Bounce const& bounce)
{
    std::uint64_t tail[5];
    return_words(vcpu, frame, tail);
    std::uint64_t words[8] = {frame.rcx, frame.r11};
    unsigned count = 2;
    if (bounce.has_error)
        words[count++] = bounce.error;
    for (std::uint64_t word : tail)
        words[count++] = word;
    return push_and_enter(vcpu, frame, words, count, bounce.handler, bounce.mask_events);
}

namespace
{

constexpr bool has_error_code(std::uint8_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

} // namespace

void deliver_exception(Vcpu& vcpu, TrapFrame& frame, std::uint8_t vector, std::uint32_t error)
{
    abi::trap_info const& trap = vcpu.pv.traps[vector];
    count(vcpu, vector == 14   ? Counter::Fault_reflected_page
                : vector == 13 ? Counter::Fault_reflected_protection
                               : Counter::Fault_reflected_other);
    bounce_to_kernel(vcpu, frame, {trap.address, (trap.flags & 4) != 0, has_error_code(vector), error});
}

void deliver_page_fault(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address, std::uint32_t error)
{
    constexpr std::uint32_t kUser = 4;
    error = (error & ~kUser) | (vcpu.pv.in_kernel ? 0 : kUser);
    vcpu.info->arch.cr2 = address;
    deliver_exception(vcpu, frame, 14, error);
}

void deliver_failsafe(Vcpu& vcpu, TrapFrame& frame)
{
    std::uint64_t tail[5];
    return_words(vcpu, frame, tail);
    abi::cpu_user_regs const& saved = vcpu.pv.regs;
    std::uint64_t const words[11] = {frame.rcx, frame.r11, saved.ds, saved.es, saved.fs, saved.gs,
                                     tail[0],   tail[1],   tail[2],  tail[3],  tail[4]};
    push_and_enter(vcpu, frame, words, 11, vcpu.pv.failsafe_callback.address, vcpu.pv.failsafe_callback.mask_events);
}

} // namespace hv
