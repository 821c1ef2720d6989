// SPDX-License-Identifier: MIT
// Prints everything a person needs to find the fault, touching as little as possible that may be broken.
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/panic/reset.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/time/clock.hpp>
#include <config.hpp>
#include <core/console/console.hpp>
#include <lib/bug.hpp>

extern "C" char image_start[], text_end[];

namespace hv
{
namespace
{

constexpr unsigned kMaxFrames = 32;

std::uint32_t stopping;  // other CPUs are told to halt
std::uint32_t panicking; // number of the CPU that panics, plus one
PanicHook hook;

// The first CPU here goes on alone; a second fault of its own while it does must end, not come back.
void enter()
{
    std::uint32_t const self = this_cpu().id + 1;
    std::uint32_t const first = exchange(panicking, self);
    if (first != 0)
    {
        if (first == self)
            log_error("Fault while stopping the machine");
        halt_forever();
    }
    stop_other_cpus();
    console().stop_locking();
}

bool is_hypervisor_data(std::uint64_t address)
{
    MachineAddress ignored;
    return (address & 7) == 0 && address >= kHypervisorStart && address < kHypervisorEnd &&
           translate(address, ignored) && translate(address + 8, ignored);
}

void print_place(std::uint64_t address)
{
    std::uint64_t offset = 0;
    char const* const name = find_symbol(address, offset);
    if (name != nullptr)
        log_error("  [{x}] {}+0x{x}", address, name, offset);
    else
        log_error("  [{x}]", address);
}

// Code before `address` is a call, so `address` may be what it returns to: direct, or indirect in one of its usual lengths.
bool follows_call(std::uint64_t address)
{
    if (address < reinterpret_cast<std::uint64_t>(image_start) + 8 ||
        address >= reinterpret_cast<std::uint64_t>(text_end))
        return false;
    auto const* end = reinterpret_cast<std::uint8_t const*>(address);
    if (end[-5] == 0xe8)
        return true;
    constexpr std::uint8_t kCallMask = 0x38, kCall = 0x10; // ff /2
    for (unsigned length : {2u, 3u, 4u, 6u, 7u})
        if (*(end - length) == 0xff && (*(end - length + 1) & kCallMask) == kCall)
            return true;
    return false;
}

// Without frame pointers: every word on the stack that may be a return address. Some are left from calls long over.
[[maybe_unused]] void scan_stack(std::uint64_t stack)
{
    unsigned printed = 0;
    for (std::uint64_t at = stack & ~7ull; printed < kMaxFrames && is_hypervisor_data(at); at += 8)
        if (std::uint64_t const word = *reinterpret_cast<std::uint64_t const*>(at); follows_call(word))
        {
            print_place(word);
            ++printed;
        }
}

// With frame pointers: a chain that does not rise ends the walk.
[[maybe_unused]] void walk_frames(std::uint64_t frame_pointer)
{
    for (unsigned i = 0; i < kMaxFrames && is_hypervisor_data(frame_pointer); ++i)
    {
        auto const* frame = reinterpret_cast<std::uint64_t const*>(frame_pointer);
        if (frame[1] == 0)
            return;
        print_place(frame[1]);
        if (frame[0] <= frame_pointer)
            return;
        frame_pointer = frame[0];
    }
}

void print_backtrace(TrapFrame const& frame)
{
    log_error("Back-trace:");
    print_place(frame.rip);
    if constexpr (config::kFramePointers)
        walk_frames(frame.rbp);
    else
        scan_stack(frame.rsp);
}

void print_registers(TrapFrame const& f)
{
    log_error("rax {x} rbx {x} rcx {x} rdx {x}", f.rax, f.rbx, f.rcx, f.rdx);
    log_error("rsi {x} rdi {x} rbp {x} rsp {x}", f.rsi, f.rdi, f.rbp, f.rsp);
    log_error("r8 {x} r9 {x} r10 {x} r11 {x}", f.r8, f.r9, f.r10, f.r11);
    log_error("r12 {x} r13 {x} r14 {x} r15 {x}", f.r12, f.r13, f.r14, f.r15);
    log_error("rip {x}:{x} rflags {x} ss {x} vector {} error {x}", f.cs, f.rip, f.rflags, f.ss, f.vector, f.error_code);
    log_error("cr0 {x} cr2 {x} cr3 {x} cr4 {x}", read_cr0(), read_cr2(), read_cr3(), read_cr4());
}

// What the registers hold here: of use mostly for its addresses and control registers.
TrapFrame capture_registers()
{
    TrapFrame f{};
    asm volatile("mov %%rax, %0\n\tmov %%rbx, %1\n\tmov %%rcx, %2\n\tmov %%rdx, %3\n\tmov %%rsi, %4\n\tmov %%rdi, %5"
                 : "=m"(f.rax), "=m"(f.rbx), "=m"(f.rcx), "=m"(f.rdx), "=m"(f.rsi), "=m"(f.rdi));
    asm volatile("mov %%r8, %0\n\tmov %%r9, %1\n\tmov %%r10, %2\n\tmov %%r11, %3"
                 : "=m"(f.r8), "=m"(f.r9), "=m"(f.r10), "=m"(f.r11));
    asm volatile("mov %%r12, %0\n\tmov %%r13, %1\n\tmov %%r14, %2\n\tmov %%r15, %3"
                 : "=m"(f.r12), "=m"(f.r13), "=m"(f.r14), "=m"(f.r15));
    asm volatile("mov %%rbp, %0\n\tmov %%rsp, %1" : "=m"(f.rbp), "=m"(f.rsp));
    std::uint64_t selector = 0;
    asm volatile("mov %%cs, %0" : "=r"(selector));
    f.cs = selector;
    asm volatile("mov %%ss, %0" : "=r"(selector));
    f.ss = selector;
    asm volatile("pushf\n\tpop %0" : "=r"(f.rflags));
    f.rip = reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
    return f;
}

// On the bare TSC: whatever else keeps time may be what broke.
void wait_milliseconds(std::uint64_t count)
{
    std::uint64_t const ticks = frequencies().tsc_hz / 1000 * count;
    std::uint64_t const start = read_tsc();
    while (read_tsc() - start < ticks)
        pause();
}

[[noreturn]] void finish()
{
    if (hook != nullptr)
        hook();
    if (options().no_reboot)
    {
        log_error("Machine halted (noreboot)");
        halt_forever();
    }
    log_error("Rebooting the machine in {} ms", config::kPanicRebootDelayMs);
    wait_milliseconds(config::kPanicRebootDelayMs);
    reset_machine();
}

} // namespace

void set_panic_hook(PanicHook new_hook)
{
    hook = new_hook;
}

bool is_panicking()
{
    return load_acquire(panicking) != 0 || load_acquire(stopping) != 0;
}

void stop_other_cpus()
{
    exchange(stopping, 1u);
    if (cpu_count() == 1)
        return; // also early in boot, when there is no CpuLocal yet
    // One by one: a broadcast would also reach CPUs that were never started and have no handler, which resets the machine.
    (online_cpu_mask() & ~CpuMask::of(CpuId{this_cpu().id})).for_each(send_nmi);
}

void stop_for_panic()
{
    halt_forever();
}

void panic(char const* what)
{
    TrapFrame const here = capture_registers();
    enter();
    log_error("*** Tessera stops: {} ***", what);
    print_registers(here);
    print_backtrace(here);
    finish();
}

void panic_in(TrapFrame const& frame, char const* what)
{
    enter();
    log_error("*** Tessera stops: {} ***", what);
    print_registers(frame);
    print_backtrace(frame);
    finish();
}

void bug(char const* what, char const* file, int line)
{
    char text[192];
    format(text, "bug at {}:{}: {}", file, line, what);
    panic(text);
}

} // namespace hv
