// SPDX-License-Identifier: MIT
// Traps in the hypervisor itself. Foreseen are: interrupts of the idle loop, copies of guest memory, loads of guest
// segments, guarded MSRs, and the IRETQ to a guest whose frame the CPU refuses. Everything else is a bug of ours.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/pv/page_fault.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

// The IRETQ to a guest faulted with the guest's general registers already restored: this frame holds them, and lies
// over the place where the guest frame had them. Puts them back and turns the fault into one of the guest's.
TrapFrame* guest_return_failed(TrapFrame const& fault)
{
    TrapFrame const copy = fault;
    TrapFrame& guest = guest_frame(this_cpu());
    __builtin_memcpy(&guest, &copy, offsetof(TrapFrame, error_code));
    guest.error_code = copy.error_code;
    guest.vector = copy.vector;
    // The CPU checked the frame that we gave it; the guest's event mask etc. are untouched.
    return &guest;
}

bool is_contributory(std::uint32_t vector)
{
    return vector >= 10 && vector <= 14;
}

} // namespace
} // namespace hv

hv::TrapFrame* handle_own_trap(hv::TrapFrame& frame)
{
    using namespace hv;
    std::uint64_t const cr2 = read_cr2();
    if (frame.vector >= 32)
    {
        handle_interrupt(frame);
        return nullptr;
    }
    if (frame.vector == 1)
    {
        // A guest's MOV SS with a data breakpoint, then SYSCALL or INT: nothing of ours. DR7 is off in hypervisor mode
        // only by the guest's choice of addresses, which never lie in our range.
        asm volatile("mov %0, %%dr6" : : "r"(std::uint64_t{0xffff0ff0}));
        return nullptr;
    }
    if (frame.vector == 2)
    {
        if (is_panicking())
            stop_for_panic();
        return nullptr;
    }
    if (is_contributory(frame.vector))
    {
        if (frame.vector == 14 && own_page_fault_resolved(frame, cr2))
            return nullptr;
        if (frame.rip == reinterpret_cast<std::uint64_t>(guest_iret))
            return guest_return_failed(frame);
        if (std::uint64_t const continuation = find_fixup(frame.rip); continuation != 0)
        {
            frame.rip = continuation;
            return nullptr;
        }
    }
    if (frame.vector == 14)
        log_error("page fault in the hypervisor at address {x}", cr2);
    panic_in(frame, "unexpected exception in the hypervisor");
}
