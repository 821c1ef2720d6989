// SPDX-License-Identifier: MIT
// Malformed hypercalls of every kind give the documented error (gotchas 10, 11, 41, 59).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

constexpr long kNoSys = -38, kFault = -14, kInval = -22, kAccess = -13;
constexpr std::uint64_t kOurs = 0xffff840000000000; // the hypervisor's direct map
constexpr std::uint64_t kNowhere = 0x7000000000;

void unknown_calls()
{
    for (unsigned number : {11u, 19u, 38u, 47u, 50u, 63u, 64u, 100u, 0x7fffffffu})
        EXPECT_EQ(call(number), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_sched_op, 99, 0), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, 63, 0), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, 99, 0), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_xen_version, 99, 0), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_version, 0), 0x00040011);
}

void bad_pointers()
{
    constexpr std::uint64_t kBad[] = {kOurs,     kNowhere,      0x8000000000000000, 0xffff830000000ff8,
                                      ~0ull - 3, 0x7ffffffffffc};
    for (std::uint64_t where : kBad)
    {
        EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_compile_info, where), kFault);
        EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, where), kFault);
        EXPECT_EQ(call(__HYPERVISOR_multicall, where, 1), kFault);
        EXPECT_EQ(call(__HYPERVISOR_mmu_update, where, 1, 0, 0x7ff0), kFault);
        EXPECT_EQ(call(__HYPERVISOR_set_trap_table, where), kFault);
        EXPECT_EQ(call(__HYPERVISOR_console_io, CONSOLEIO_write, 16, where), kFault);
    }
}

void versions_come_first()
{
    struct
    {
        std::uint32_t command, version;
        std::uint64_t rest[17];
    } op{};
    unsigned found = 0;
    for (op.version = 0; op.version < 128; ++op.version)
    {
        op.command = XEN_SYSCTL_sched_id;
        long const result = call(__HYPERVISOR_sysctl, address(&op));
        if (result != kAccess)
            found = op.version;
    }
    EXPECT_EQ(found, XEN_SYSCTL_INTERFACE_VERSION);
}

void exchange_bounds() // XSA-212
{
    abi::xen_memory_exchange args{};
    args.in.domid = args.out.domid = DOMID_SELF;
    args.in.nr_extents = args.out.nr_extents = 1;
    args.nr_exchanged = 1ull << 60;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_exchange, address(&args)), kInval);
    args.nr_exchanged = 0;
    args.in.nr_extents = 1ull << 60;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_exchange, address(&args)), kInval);
    args.in.nr_extents = 1;
    args.in.extent_start.p = reinterpret_cast<abi::xen_pfn_t*>(kOurs);
    args.out.extent_start.p = reinterpret_cast<abi::xen_pfn_t*>(kOurs);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_exchange, address(&args)), kFault);
}

void nested_multicall()
{
    abi::multicall_entry entries[2] = {};
    entries[0].op = __HYPERVISOR_xen_version;
    entries[1].op = 63;
    EXPECT_EQ(call(__HYPERVISOR_multicall, address(entries), 2), 0);
    EXPECT_EQ(entries[0].result, 0x00040011);
    EXPECT_EQ(entries[1].result, kNoSys);
}

void registers_survive()
{
    std::uint64_t rbx = 0x1111, rbp_copy = 0, r12 = 0x2222, result = 0;
    asm volatile("mov $0x3333, %%r13; mov $17, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; syscall; mov %%r13, %1"
                 : "=a"(result), "=&r"(rbp_copy), "+b"(rbx), "+r"(r12)
                 :
                 : "rcx", "r11", "rdi", "rsi", "r13", "memory");
    EXPECT(result == 0x00040011 && rbp_copy == 0x3333 && rbx == 0x1111 && r12 == 0x2222);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    unknown_calls();
    bad_pointers();
    versions_come_first();
    exchange_bounds();
    nested_multicall();
    registers_survive();
    finish();
}
