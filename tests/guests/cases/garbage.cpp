// SPDX-License-Identifier: MIT
// Every row of the hypercall table with every kind of bad argument gives an error that the row documents: first as an
// unprivileged child, then as the control domain. The rows are the table's own, so a new one is tested from its first day.
#include <tests/guests/runtime/child.hpp>

#include <hypercalls/abi/tessera.hpp>
#include <lib/result.hpp>

using namespace guest;
using hv::Errno;

namespace
{

constexpr unsigned __HYPERVISOR_tessera_op = 49;

enum class Direction
{
    None,
    In,
    Out,
    InOut,
    InOutAlways,
    Raw,
};
enum class Privilege
{
    Any,
    Control,
};

struct Errors
{
    unsigned long bits[2] = {};
    [[nodiscard]] bool has(long result) const
    {
        return result < 0 && result > -128 && (bits[-result / 64] >> (-result % 64) & 1) != 0;
    }
};

template<typename... List>
constexpr Errors errors_of(List... list)
{
    Errors made;
    for (Errno one : {Errno::NoSys, list...}) // an operation may also not be there
        made.bits[static_cast<unsigned>(one) / 64] |= 1ul << static_cast<unsigned>(one) % 64;
    return made;
}

struct Row
{
    unsigned call;
    unsigned operation;
    Direction direction;
    Privilege privilege;
    Errors errors;
    char const* name;
};

using enum Errno;
constexpr Row kRows[] = {
#define HV_SUBOP(group_, number_, name_, function_, direction_, privilege_, preempt_, errors_, doc_) \
    {static_cast<unsigned>(__HYPERVISOR_##group_), \
     number_, \
     Direction::direction_, \
     Privilege::privilege_, \
     errors_of errors_, \
     #group_ " " #name_},
#include <hypercalls/table/all.def>
#undef HV_SUBOP
};
constexpr unsigned kRowCount = sizeof(kRows) / sizeof(kRows[0]);
static_assert(kRowCount > 150);

bool is_versioned(Row const& row)
{
    return row.call == __HYPERVISOR_domctl || row.call == __HYPERVISOR_sysctl || row.call == __HYPERVISOR_platform_op;
}

// What would end or stop whoever asks, with an argument that is not wrong: left to cases of their own.
bool stops_the_caller(Row const& row, bool control)
{
    if (row.call == __HYPERVISOR_sched_op)
        return row.operation == SCHEDOP_block || row.operation == SCHEDOP_shutdown || row.operation == SCHEDOP_poll ||
               (row.operation == SCHEDOP_remote_shutdown && control);
    if (row.call == __HYPERVISOR_vcpu_op)
        return row.operation == VCPUOP_down;
    // Sleep: the machine's. Interrupt lines of the machine: real ones.
    return control && ((row.call == __HYPERVISOR_platform_op && row.operation == XENPF_enter_acpi_sleep) ||
                       (row.call == __HYPERVISOR_domctl && row.operation == XEN_DOMCTL_max_mem));
}

long issue(Row const& row, std::uint64_t pointer, std::uint64_t count = 1)
{
    if (is_versioned(row))
        return call(row.call, pointer);
    if (row.call == __HYPERVISOR_vcpu_op)
        return call(row.call, row.operation, 0, pointer);
    return call(row.call, row.operation, pointer, count);
}

void report(Row const& row, char const* how, long got)
{
    check(false, row.name, got, __LINE__);
    if (mailbox.in_child != 0)
        return;
    print("  with ");
    print(how);
    print("\n");
}

// ---- pointers that lead nowhere
void bad_pointers(Row const& row, bool control)
{
    struct
    {
        std::uint64_t where;
        char const* how;
    } const pointers[] = {{0, "a null pointer"},
                          {0x7000000000, "an unmapped pointer"},
                          {0xffff800000000000, "the machine-to-phys table"},
                          {0xffff830000000000, "an address of the hypervisor"},
                          {0xffff87fffffffff8, "the end of the hypervisor"},
                          {0x8000000000000000, "a non-canonical address"},
                          {0x7ffffffffffc, "the end of the lower half"},
                          {~0ull - 3, "the end of the address space"}};
    bool const dereferences = row.direction == Direction::In || row.direction == Direction::InOut ||
                              row.direction == Direction::InOutAlways || row.direction == Direction::Out;
    for (auto const& pointer : pointers)
    {
        long const result = issue(row, pointer.where);
        ++mailbox.checks;
        bool good = result >= 0 || row.errors.has(result);
        if (is_versioned(row))
            good = result == -14;
        else if (row.privilege == Privilege::Control && !control)
            good = result == -1;
        else if (row.direction == Direction::Out)
            good = result == -14 || (result < 0 && row.errors.has(result)); // what it would write may not be there
        else if (dereferences)
            good = result == -14;
        if (!good)
            report(row, pointer.how, result);
    }
}

// ---- structures full of something
std::uint32_t noise = 4711;

std::uint32_t next_noise()
{
    noise = noise * 1664525 + 1013904223;
    return noise >> 3;
}

void fill(unsigned char* buffer, unsigned kind)
{
    for (unsigned i = 0; i < 1024; ++i)
        buffer[i] = kind == 0 ? 0 : kind == 1 ? 0xff : static_cast<unsigned char>(next_noise());
    // Pointers in structures often lie at multiples of eight: some of them bad in an interesting way.
    if (kind == 3)
        for (unsigned i = 0; i < 1024; i += 8)
            *reinterpret_cast<std::uint64_t*>(buffer + i) = (next_noise() & 1) != 0 ? 0xffff840000000000 : 0x7000000000;
}

void bad_contents(Row const& row, bool control)
{
    if (stops_the_caller(row, control))
        return;
    auto* const buffer = reinterpret_cast<unsigned char*>(page(0));
    for (unsigned kind = 0; kind < 24; ++kind)
    {
        fill(buffer, kind < 4 ? kind : 2);
        if (is_versioned(row))
        {
            auto* const header = reinterpret_cast<std::uint32_t*>(buffer);
            header[0] = row.operation;
            header[1] = row.call == __HYPERVISOR_domctl   ? XEN_DOMCTL_INTERFACE_VERSION
                        : row.call == __HYPERVISOR_sysctl ? XEN_SYSCTL_INTERFACE_VERSION
                                                          : XENPF_INTERFACE_VERSION;
        }
        long const result = issue(row, address(buffer));
        ++mailbox.checks;
        bool const refused = row.privilege == Privilege::Control && !control;
        if (refused ? result != -1 : result < 0 && !row.errors.has(result))
            report(row, kind == 0 ? "zeroes" : kind == 1 ? "ones" : "noise", result);
    }
}

void absent_operations()
{
    for (unsigned number = 0; number < 64; ++number)
    {
        bool group = false;
        for (Row const& row : kRows)
            group = group || (row.call == number && !is_versioned(row));
        if (!group)
            continue;
        for (unsigned operation : {63u, 95u, 96u, 255u, 0x7fffffffu, 0xffffffffu})
        {
            // memory_op keeps the progress of preempted calls above bit 6: 255 is operation 63 there.
            bool present = false;
            for (Row const& row : kRows)
                present = present || (row.call == number &&
                                      row.operation == (number == __HYPERVISOR_memory_op ? operation & 63 : operation));
            if (!present)
                EXPECT_EQ(call(number, operation, 0, number == __HYPERVISOR_vcpu_op ? address(page(0)) : 1), -38);
        }
    }
}

void huge_counts()
{
    for (unsigned operation :
         {GNTTABOP_map_grant_ref, GNTTABOP_unmap_grant_ref, GNTTABOP_copy, GNTTABOP_unmap_and_replace})
    {
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, operation, 0x7000000000, 0x7fffffff), -14);
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, operation, address(page(0)), 0x80000000), -22);
        EXPECT_EQ(call(__HYPERVISOR_grant_table_op, operation, 0x7000000000, 0), 0);
    }
    EXPECT_EQ(call(__HYPERVISOR_multicall, 0x7000000000, 0xffffffff), -14);
    EXPECT_EQ(call(__HYPERVISOR_multicall, 0x7000000000, 0), 0);
    EXPECT_EQ(call(__HYPERVISOR_mmu_update, 0x7000000000, 0x7fffffff, 0, DOMID_SELF), -14);
    EXPECT_EQ(call(__HYPERVISOR_mmuext_op, 0x7000000000, 0x7fffffff, 0, DOMID_SELF), -14);
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, 0x7000000000, 7168), -14);
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, 0x7000000000, 0xffffffff), -22);
    EXPECT_EQ(call(__HYPERVISOR_set_trap_table, 0x7000000000), -14);
}

// Bad domain numbers in the foreign-domain argument.
void foreign_domains(bool control)
{
    abi::mmu_update update{entry_address(page(1)), frame_of(page(1)) << 12 | kTable};
    for (unsigned domain : {0x7ff2u, 0x7ff3u, 0x7ff4u, 0x7fffu, 0xffffu, 1234u})
    {
        EXPECT(call(__HYPERVISOR_mmu_update, address(&update), 1, 0, domain) < 0);
        abi::mmuext_op op{};
        op.cmd = MMUEXT_UNPIN_TABLE;
        EXPECT(call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, domain) < 0);
        EXPECT(call(__HYPERVISOR_update_va_mapping_otherdomain, address(page(1)), update.val, 0, domain) < 0);
    }
    if (!control)
        EXPECT_EQ(call(__HYPERVISOR_mmu_update, address(&update), 1, 0, 0), -1);
    EXPECT(call(__HYPERVISOR_mmu_update, address(&update), 1, 0, DOMID_SELF | 5u << 16) < 0);
}

void sweep(bool control)
{
    EXPECT_EQ(map(nullptr, 0), 0); // so that null points nowhere
    for (Row const& row : kRows)
    {
        if (!stops_the_caller(row, control) || row.direction == Direction::In)
            bad_pointers(row, control);
        bad_contents(row, control);
    }
    absent_operations();
    huge_counts();
    foreign_domains(control);
}

void as_a_child()
{
    install_shared();
    install_traps();
    sweep(false);
    child_ends();
}

// ---- calls at random, by a guest that may break itself in any way, but nobody else
void at_random()
{
    install_shared(); // but no trap handlers: a fault, which is its own doing, ends it; those would call it a failure
    noise = static_cast<std::uint32_t>(mailbox.values[0]);
    for (unsigned round = 0; round < 4000; ++round)
    {
        std::uint64_t arguments[5];
        for (std::uint64_t& one : arguments)
            switch (next_noise() & 7)
            {
            case 0: one = next_noise() & 31; break;
            case 1: one = address(page(next_noise() & 31)) + (next_noise() & 0xff8); break;
            case 2: one = frame_of(page(next_noise() & 31)); break;
            case 3: one = DOMID_SELF; break;
            case 4: one = next_noise(); break;
            case 5: one = 1; break;
            case 6: one = 0; break;
            default: one = ~0ull << (next_noise() & 63); break;
            }
        for (unsigned i = 0; i < 16; ++i)
            page(next_noise() & 31)[next_noise() & 511] = arguments[next_noise() % 5];
        unsigned number = next_noise() % 50;
        // It may end, but not sleep for ever.
        if (number == __HYPERVISOR_sched_op || number == __HYPERVISOR_sched_op_compat ||
            (number == __HYPERVISOR_vcpu_op && arguments[0] == VCPUOP_down))
            number = __HYPERVISOR_event_channel_op;
        call(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
        mailbox.values[1] = round;
    }
    child_ends();
}

void random_children()
{
    for (unsigned seed = 1; seed <= 12; ++seed)
    {
        Child& child = start_child(ChildPlan{at_random, 1, false});
        child.box->values[0] = seed * 7919;
        EXPECT_EQ(simple_domctl(XEN_DOMCTL_unpausedomain, child.id), 0);
        // It may have stopped in any way: by an error of its own, by a fault it could not handle.
        if (wait_for_end(child, 3000) == kStillRunning)
            print_number("a child made no end; rounds: ", child.box->values[1]);
        destroy(child);
    }
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    expect_good_end(start_child(as_a_child));
    random_children();
    sweep(true);
    finish();
}
