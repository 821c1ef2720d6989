// SPDX-License-Identifier: MIT
// Exceptions and interrupts that arrive while a guest runs: carried out for it, or reflected to it.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/emulation.hpp>
#include <arch/x86_64/pv/fpu.hpp>
#include <arch/x86_64/pv/guest_copy.hpp>
#include <arch/x86_64/pv/page_fault.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <core/emulate/privileged.hpp>
#include <core/trace/count.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

constexpr std::uint8_t kDebug = 1;
constexpr std::uint8_t kNmi = 2;
constexpr std::uint8_t kInvalidOpcode = 6;
constexpr std::uint8_t kDeviceNotAvailable = 7;
constexpr std::uint8_t kDoubleFault = 8;
constexpr std::uint8_t kGeneralProtection = 13;
constexpr std::uint8_t kPageFault = 14;
constexpr std::uint8_t kMachineCheck = 18;

constexpr std::uint32_t kErrorIdt = 2; // in a #GP error code: it names an IDT entry

// Carries out what an emulator decided; `vector` and `error` are what brought us here.
void finish_emulation(Vcpu& vcpu, TrapFrame& frame, emulate::EmulationResult const& result, std::uint8_t vector,
                      std::uint32_t error)
{
    using emulate::EmulationOutcome;
    if (result.outcome == EmulationOutcome::NotHandled)
        deliver_exception(vcpu, frame, vector, error);
    else if (result.outcome == EmulationOutcome::Fault && result.vector == kPageFault)
        deliver_page_fault(vcpu, frame, result.address, result.error);
    else if (result.outcome == EmulationOutcome::Fault)
        deliver_exception(vcpu, frame, result.vector, result.error);
    else if (result.debug_trap)
        deliver_exception(vcpu, frame, kDebug, 0);
    // A restored frame must be returned to exactly: the emulated instruction did not come by SYSCALL.
}

// `int n` through a gate that CPL 3 may not use. The vector is read from the instruction: QEMU 7.2 reports 16n+2 in the
// error code, hardware 8n+2.
[[gnu::noinline]] void software_interrupt(Vcpu& vcpu, TrapFrame& frame)
{
    std::uint8_t code[2] = {};
    bool const read = copy_from_guest_partly(code, frame.rip, 2) == 2;
    if (!read || code[0] != 0xcd)
    {
        deliver_exception(vcpu, frame, kGeneralProtection, frame.error_code);
        return;
    }
    abi::trap_info const& trap = vcpu.pv.traps[code[1]];
    unsigned const dpl = trap.flags & 3;
    if (trap.address == 0 || dpl < (vcpu.pv.in_kernel ? 1u : 3u))
    {
        deliver_exception(vcpu, frame, kGeneralProtection, code[1] * 8u + kErrorIdt);
        return;
    }
    frame.rip += 2;
    bounce_to_kernel(vcpu, frame, {trap.address, (trap.flags & 4) != 0, false, 0});
}

[[gnu::noinline]] void general_protection(Vcpu& vcpu, TrapFrame& frame)
{
    if ((frame.error_code & kErrorIdt) != 0)
    {
        software_interrupt(vcpu, frame);
        return;
    }
    if (frame.error_code != 0)
    {
        deliver_exception(vcpu, frame, kGeneralProtection, frame.error_code);
        return;
    }
    GuestEmulation emulation(vcpu, frame);
    finish_emulation(vcpu, frame, emulate::emulate_privileged(emulation.context()), kGeneralProtection, 0);
}

[[gnu::noinline]] void invalid_opcode(Vcpu& vcpu, TrapFrame& frame)
{
    GuestEmulation emulation(vcpu, frame);
    finish_emulation(vcpu, frame, emulate::emulate_invalid_opcode(emulation.context()), kInvalidOpcode, 0);
}

// #NM: the guest set its virtual TS. The ABI clears it with the delivery.
[[gnu::noinline]] void device_not_available(Vcpu& vcpu, TrapFrame& frame)
{
    bool const switched = vcpu.pv.fpu_task_switched;
    vcpu.pv.fpu_task_switched = false;
    load_fpu_controls(vcpu.pv);
    if (switched)
        deliver_exception(vcpu, frame, kDeviceNotAvailable, 0);
}

// Conditions accumulate in the guest's DR6; ours starts clean for the next time.
[[gnu::noinline]] void debug_exception(Vcpu& vcpu, TrapFrame& frame)
{
    std::uint64_t dr6;
    asm volatile("mov %%dr6, %0" : "=r"(dr6));
    asm volatile("mov %0, %%dr6" : : "r"(std::uint64_t{0xffff0ff0}));
    vcpu.pv.dr6 |= dr6 & 0xe00f;
    deliver_exception(vcpu, frame, kDebug, 0);
}

[[gnu::noinline]] void non_maskable_interrupt()
{
    if (is_panicking())
        stop_for_panic();
    log_warning("NMI with no known cause on CPU {}", this_cpu().id);
}

void exception(Vcpu& vcpu, TrapFrame& frame, std::uint64_t cr2)
{
    switch (frame.vector)
    {
    case kPageFault: guest_page_fault(vcpu, frame, cr2); return;
    case kGeneralProtection: general_protection(vcpu, frame); return;
    case kInvalidOpcode: invalid_opcode(vcpu, frame); return;
    case kDeviceNotAvailable: device_not_available(vcpu, frame); return;
    case kDebug: debug_exception(vcpu, frame); return;
    case kNmi: non_maskable_interrupt(); return;
    case kDoubleFault: panic_in(frame, "double fault");
    case kMachineCheck: panic_in(frame, "machine check");
    default: deliver_exception(vcpu, frame, static_cast<std::uint8_t>(frame.vector), frame.error_code); return;
    }
}

} // namespace
} // namespace hv

std::uint32_t handle_guest_trap(hv::TrapFrame& frame)
{
    using namespace hv;
    std::uint64_t const cr2 = read_cr2(); // before anything of ours can fault
    CpuLocal& cpu = this_cpu();
    Vcpu& vcpu = *cpu.current;
    if (frame.vector >= 32)
    {
        count(vcpu, Counter::Interrupt);
        handle_interrupt(frame);
    }
    else
        exception(vcpu, frame, cr2);
    return choose_return(cpu, vcpu, frame);
}
