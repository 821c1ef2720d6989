// SPDX-License-Identifier: MIT
// The runtime of test guests.
#include <tests/guests/runtime/guest.hpp>
#include <tests/guests/runtime/modes.hpp>

extern "C"
{
    hv::abi::start_info* start_info;
    extern std::uint64_t const trap_entries[256];

    void* memset(void* to, int value, unsigned long bytes)
    {
        auto* out = static_cast<unsigned char*>(to);
        while (bytes-- != 0)
            *out++ = static_cast<unsigned char>(value);
        return to;
    }

    void* memcpy(void* to, void const* from, unsigned long bytes)
    {
        auto* out = static_cast<unsigned char*>(to);
        auto const* in = static_cast<unsigned char const*>(from);
        while (bytes-- != 0)
            *out++ = *in++;
        return to;
    }
}

namespace guest
{
namespace
{

unsigned long length(char const* text)
{
    unsigned long count = 0;
    while (text[count] != '\0')
        ++count;
    return count;
}

alignas(4096) std::uint64_t pages[kPages][512];
alignas(4096) unsigned char shared_window[4096];
alignas(4096) unsigned char windows[kWindows][4096];

} // namespace

alignas(4096) Mailbox mailbox;
Trap last_trap;
unsigned volatile trap_count = 0;
std::uint8_t mask_in_trap = 0;
std::uint64_t resume_at = 0;

long call(unsigned number, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d, std::uint64_t e)
{
    register std::uint64_t r10 asm("r10") = d;
    register std::uint64_t r8 asm("r8") = e;
    long result;
    asm volatile("syscall"
                 : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                 : "0"(static_cast<std::uint64_t>(number))
                 : "rcx", "r11", "memory");
    return result;
}

void print(char const* text)
{
    call(__HYPERVISOR_console_io, CONSOLEIO_write, length(text), address(text));
}

void print_number(char const* text, std::uint64_t value)
{
    char digits[19] = "0x";
    for (unsigned i = 0; i < 16; ++i)
        digits[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    digits[18] = '\0';
    print(text);
    print(digits);
    print("\n");
}

void check(bool good, char const* what, long got, int line)
{
    ++mailbox.checks;
    if (good)
        return;
    if (mailbox.failures < Mailbox::kReports)
    {
        auto& report = mailbox.failed[mailbox.failures];
        report.what = what;
        report.got = got;
        report.line = line;
    }
    ++mailbox.failures;
    if (mailbox.in_child != 0)
        return; // the parent tells
    if (mailbox.failures > 100)
        return; // enough to see
    print("failed: ");
    print(what);
    print_number(", got ", static_cast<std::uint64_t>(got));
    print_number("  at line ", static_cast<std::uint64_t>(line));
}

void finish()
{
    print_number("checks: ", mailbox.checks);
    print(mailbox.failures == 0 && mailbox.checks != 0 ? "RESULT: pass\n" : "RESULT: fail\n");
    shut_down(SHUTDOWN_poweroff);
}

void shut_down(unsigned reason)
{
    abi::sched_shutdown argument{reason};
    for (;;)
        call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&argument));
}

void expect_crash()
{
    print(mailbox.failures == 0 ? "EXPECT: crash\n" : "RESULT: fail\n");
}

void install_traps()
{
    static abi::trap_info table[257];
    for (unsigned vector = 0; vector < 256; ++vector)
    {
        table[vector].vector = static_cast<std::uint8_t>(vector);
        table[vector].flags = vector == 3 || vector == 4 ? 3 : 0;
        table[vector].cs = FLAT_KERNEL_CS;
        table[vector].address = trap_entries[vector];
    }
    EXPECT_EQ(call(__HYPERVISOR_set_trap_table, address(table)), 0);
}

std::uint64_t fault_address()
{
    return shared().vcpu_info[0].arch.cr2;
}

abi::shared_info& shared()
{
    return *reinterpret_cast<abi::shared_info*>(shared_window);
}

void install_shared()
{
    EXPECT_EQ(map(shared_window, start_info->shared_info | kTable), 0);
}

std::uint64_t* page(unsigned index)
{
    return pages[index];
}

std::uint64_t frame_of(void const* object)
{
    auto const* p2m = reinterpret_cast<std::uint64_t const*>(start_info->mfn_list);
    return p2m[address(static_cast<char const*>(object)) >> 12];
}

namespace
{

// Where a machine frame of ours is visible: through the machine-to-phys table, since virtual equals pseudo-physical.
std::uint64_t* visible(std::uint64_t frame)
{
    auto const* m2p = reinterpret_cast<std::uint64_t const*>(0xffff800000000000);
    return reinterpret_cast<std::uint64_t*>(m2p[frame] << 12);
}

} // namespace

std::uint64_t* entry_of(void const* object)
{
    std::uint64_t const where = address(static_cast<char const*>(object));
    auto* table = reinterpret_cast<std::uint64_t*>(start_info->pt_base);
    for (unsigned level = 4; level > 1; --level)
        table = visible((table[where >> (12 + 9 * (level - 1)) & 511] & 0x000ffffffffff000) >> 12);
    return &table[where >> 12 & 511];
}

std::uint64_t entry_address(void const* object)
{
    std::uint64_t* const entry = entry_of(object);
    return frame_of(entry) << 12 | (address(entry) & 4095);
}

long map(void const* object, std::uint64_t entry, unsigned long flags)
{
    return call(__HYPERVISOR_update_va_mapping, address(static_cast<char const*>(object)), entry, flags);
}

long map_foreign(void const* object, std::uint64_t frame, unsigned domain, std::uint64_t flags)
{
    return call(__HYPERVISOR_update_va_mapping_otherdomain, address(static_cast<char const*>(object)),
                frame << 12 | flags, UVMF_INVLPG | UVMF_ALL, domain);
}

void* window(unsigned index)
{
    return windows[index];
}

long make_read_only(void const* object)
{
    return map(object, frame_of(object) << 12 | kReadOnlyLeaf);
}

long make_writable(void const* object)
{
    return map(object, frame_of(object) << 12 | kTable);
}

long mmu_update(std::uint64_t machine_address, std::uint64_t value, unsigned domain)
{
    abi::mmu_update request{machine_address, value};
    return call(__HYPERVISOR_mmu_update, address(&request), 1, 0, domain);
}

long extended(unsigned command, std::uint64_t first, std::uint64_t second)
{
    abi::mmuext_op op{};
    op.cmd = command;
    op.arg1.mfn = first;
    op.arg2.src_mfn = second;
    return call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, 0x7ff0);
}

} // namespace guest

extern "C" void on_trap(guest::Trap* trap)
{
    if (trap->vector == guest::kUpcallVector)
    {
        guest::take_upcall(*trap);
        return;
    }
    if (guest::on_second_vcpu(trap))
    {
        guest::take_second_trap(*trap);
        return;
    }
    guest::last_trap = *trap;
    guest::mask_in_trap = guest::shared().vcpu_info[0].evtchn_upcall_mask;
    guest::trap_count = guest::trap_count + 1;
    if (guest::resume_at != 0)
    {
        trap->rip = guest::resume_at;
        if ((trap->cs & 3) == 0) // the kernel's own selectors, whatever it tried
        {
            trap->cs = FLAT_KERNEL_CS & ~3u;
            trap->ss = FLAT_KERNEL_SS;
        }
    }
    else if (trap->vector != 1 && trap->vector != 3 && trap->vector != 4)
    {
        guest::check(false, "unexpected trap", static_cast<long>(trap->vector), 0);
        guest::print_number("unexpected trap ", trap->vector);
        guest::print_number("  at ", trap->rip);
        guest::print("RESULT: fail\n");
        guest::shut_down(SHUTDOWN_poweroff);
    }
}
