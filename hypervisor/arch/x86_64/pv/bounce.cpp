// SPDX-License-Identifier: MIT
// Frames on the guest kernel's stack.
#include <arch/x86_64/pv/bounce.hpp>

#include <arch/x86_64/pv/guest_copy.hpp>
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
std::uint64_t visible_flags(Vcpu const& vcpu, std::uint64_t flags)
{
    flags &= ~(kFlagIopl | kFlagInterrupt);
    if (vcpu.info->evtchn_upcall_mask == 0)
        flags |= kFlagInterrupt;
    if ((vcpu.domain().vm_assist & (1u << VMASST_TYPE_architectural_iopl)) != 0)
        flags |= static_cast<std::uint64_t>(vcpu.pv.iopl) << 12;
    return flags;
}

// cs as the guest sees it: its mode as RPL, and the event mask as it was in the upper half.
std::uint64_t visible_cs(Vcpu const& vcpu, TrapFrame const& frame)
{
    std::uint64_t const selector = vcpu.pv.in_kernel ? frame.cs & ~3u : frame.cs | 3u;
    return selector | static_cast<std::uint64_t>(vcpu.info->evtchn_upcall_mask) << 32;
}

// Writes the words that the sources give on its stack and lets the guest kernel go on at `handler`, below them. Whoever sets
// a handler's address sees that it is canonical, so SYSRET is exact for the frame that this makes.
template<typename... Source>
[[gnu::always_inline]] inline bool push_and_enter(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame, bool from_kernel,
                                                  std::uint64_t handler, bool mask_events, Source... sources)
{
    std::uint64_t const top = from_kernel ? frame.rsp : vcpu.pv.kernel_sp;
    std::uint64_t const stack = (top & ~15ull) - sizeof...(sources) * 8;
    if (!from_kernel)
        leave_user_mode(cpu, vcpu);
    if (handler == 0 || !store_words_of(stack, sources...)) [[unlikely]]
    {
        crash_domain(vcpu.domain(),
                     handler == 0 ? "no handler for an exception" : "its kernel stack cannot be written");
        return false;
    }
    if (mask_events)
        vcpu.info->evtchn_upcall_mask = 1;
    frame.rip = handler;
    frame.cs = layout::kSelectorGuestCode64;
    frame.rflags =
        (frame.rflags & ~(kFlagAlignment | kFlagVm | kFlagResume | kFlagNestedTask | kFlagTrap | kFlagIopl)) |
        kFlagInterrupt;
    frame.rsp = stack;
    frame.ss = layout::kSelectorGuestData;
    frame.vector = kVectorEntered; // rcx and r11 are in the guest's frame: SYSRET may clobber them
    return true;
}

} // namespace

#define HV_SOURCE(value) [&]() -> std::uint64_t { return value; }

// The frame that every entry of the guest kernel but the failsafe callback gets (surface.md 1.8).
#define HV_COMMON_SOURCES \
    HV_SOURCE(frame.rip), HV_SOURCE(cs), HV_SOURCE(flags), HV_SOURCE(frame.rsp), HV_SOURCE(frame.ss)

bool bounce_to_kernel(Vcpu& vcpu, TrapFrame& frame, Bounce bounce)
{
    std::uint64_t const cs = visible_cs(vcpu, frame);
    std::uint64_t const flags = visible_flags(vcpu, frame.rflags);
    if (bounce.has_error)
        return push_and_enter(this_cpu(), vcpu, frame, vcpu.pv.in_kernel, bounce.handler, bounce.mask_events,
                              HV_SOURCE(frame.rcx), HV_SOURCE(frame.r11), HV_SOURCE(bounce.error), HV_COMMON_SOURCES);
    return push_and_enter(this_cpu(), vcpu, frame, vcpu.pv.in_kernel, bounce.handler, bounce.mask_events,
                          HV_SOURCE(frame.rcx), HV_SOURCE(frame.r11), HV_COMMON_SOURCES);
}

bool bounce_system_call(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame, Callback const& callback)
{
    std::uint64_t const mask = vcpu.info->evtchn_upcall_mask;
    std::uint64_t const flags = visible_flags(vcpu, frame.rflags);
    return push_and_enter(cpu, vcpu, frame, false, callback.address, callback.mask_events, HV_SOURCE(frame.rip),
                          HV_SOURCE(frame.rflags), HV_SOURCE(frame.rip),
                          HV_SOURCE(layout::kSelectorGuestCode64 | mask << 32), HV_SOURCE(flags), HV_SOURCE(frame.rsp),
                          HV_SOURCE(layout::kSelectorGuestData));
}

bool bounce_event(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame)
{
    std::uint64_t const cs = visible_cs(vcpu, frame);
    std::uint64_t const flags = visible_flags(vcpu, frame.rflags);
    return push_and_enter(cpu, vcpu, frame, vcpu.pv.in_kernel, vcpu.pv.event_callback.address, true,
                          HV_SOURCE(frame.rcx), HV_SOURCE(frame.r11), HV_COMMON_SOURCES);
}

namespace
{

// 8, 10 to 14, 17, 21 (Intel SDM vol. 3, table 6-1).
constexpr std::uint32_t kVectorsWithError = 1u << 8 | 0x1fu << 10 | 1u << 17 | 1u << 21;

[[gnu::always_inline]] inline void deliver(Vcpu& vcpu, TrapFrame& frame, std::uint8_t vector, std::uint32_t error,
                                           Counter counter)
{
    abi::trap_info const& trap = vcpu.pv.traps[vector];
    count(vcpu, counter);
    bounce_to_kernel(vcpu, frame,
                     {trap.address, (trap.flags & 4) != 0, (kVectorsWithError >> (vector & 31) & 1) != 0, error});
}

} // namespace

void deliver_exception(Vcpu& vcpu, TrapFrame& frame, std::uint8_t vector, std::uint32_t error)
{
    deliver(vcpu, frame, vector, error,
            vector == 14   ? Counter::Fault_reflected_page
            : vector == 13 ? Counter::Fault_reflected_protection
                           : Counter::Fault_reflected_other);
}

void deliver_page_fault(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address, std::uint32_t error)
{
    constexpr std::uint32_t kUser = 4;
    error = (error & ~kUser) | (vcpu.pv.in_kernel ? 0 : kUser);
    vcpu.info->arch.cr2 = address;
    deliver(vcpu, frame, 14, error, Counter::Fault_reflected_page);
}

void deliver_failsafe(Vcpu& vcpu, TrapFrame& frame)
{
    abi::cpu_user_regs const& saved = vcpu.pv.regs;
    Callback const& callback = vcpu.pv.failsafe_callback;
    std::uint64_t const cs = visible_cs(vcpu, frame);
    std::uint64_t const flags = visible_flags(vcpu, frame.rflags);
    push_and_enter(this_cpu(), vcpu, frame, vcpu.pv.in_kernel, callback.address, callback.mask_events,
                   HV_SOURCE(frame.rcx), HV_SOURCE(frame.r11), HV_SOURCE(saved.ds), HV_SOURCE(saved.es),
                   HV_SOURCE(saved.fs), HV_SOURCE(saved.gs), HV_COMMON_SOURCES);
}

#undef HV_COMMON_SOURCES
#undef HV_SOURCE

} // namespace hv
