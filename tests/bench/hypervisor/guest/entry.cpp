// SPDX-License-Identifier: MIT
// Rows of entry and exit alone: hypercalls that do next to nothing, and multicalls of them.
#include <tests/bench/hypervisor/guest/bench.hpp>

namespace bench
{
namespace
{

constexpr unsigned kUnknownCall = 47;
constexpr unsigned kEntries = 64;

abi::multicall_entry list[kEntries];

void measure_multicall()
{
    for (abi::multicall_entry& entry : list)
    {
        entry.op = __HYPERVISOR_xen_version;
        entry.args[0] = XENVER_version;
    }
    BENCH_REQUIRE(call(__HYPERVISOR_multicall, guest::address(list), kEntries), 0);
    BENCH_REQUIRE(list[kEntries - 1].result, 0x40011);
    report("multicall_64", least([](unsigned) { call(__HYPERVISOR_multicall, guest::address(list), kEntries); }),
           kEntries);
}

} // namespace

void measure_entry()
{
    BENCH_REQUIRE(call(kUnknownCall), -38);
    report("unknown_hypercall", least([](unsigned) { call(kUnknownCall); }));
    report("null_hypercall", least([](unsigned) { call(__HYPERVISOR_xen_version, XENVER_version); }));
    measure_multicall();
    std::uint64_t stack;
    asm("mov %%rsp, %0" : "=r"(stack));
    report("stack_switch", least([&](unsigned) { call(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, stack); }));
    report("fpu_taskswitch", least([](unsigned) { call(__HYPERVISOR_fpu_taskswitch, 0); }));
    report("set_segment_base", least([](unsigned) { call(__HYPERVISOR_set_segment_base, SEGBASE_FS, 0x1000); }));
}

} // namespace bench
