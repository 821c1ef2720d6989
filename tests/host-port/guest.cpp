// SPDX-License-Identifier: MIT
// A guest kernel as far as memory is concerned.
#include "guest.hpp"

#include "hypercall.hpp"

#include <core/domain/roots.hpp>

namespace hv::host
{

Mfn Guest::table(std::initializer_list<Entry> entries) const
{
    Mfn const frame = page();
    for (Entry const& one : entries)
        entry(frame, one.index) = pte::make(one.frame, one.flags);
    return frame;
}

Guest::Space Guest::space(std::initializer_list<Mfn> frames) const
{
    Space made{};
    made.l1 = page();
    unsigned index = 0;
    for (Mfn const frame : frames)
        entry(made.l1, index++) = pte::make(frame, kReadWrite);
    made.l2 = table({{0, made.l1}});
    made.l3 = table({{0, made.l2}});
    made.l4 = table({{0, made.l3}});
    return made;
}

void Guest::run_on(Space const& space) const
{
    Budget budget = Budget::unlimited();
    change_kernel_root(vcpu(), space.l4, budget).value();
}

std::int64_t Guest::call(std::uint64_t number, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d)
{
    HypercallArgs args{{a, b, c, d, 0, 0}};
    restarts = 0;
    for (;;)
    {
        CallResult const result = dispatch_hypercall(vcpu(), number, args);
        if (between)
            between();
        if (result)
            return *result;
        if (result.error() != Errno::Restart)
            return -static_cast<std::int64_t>(result.error());
        ++restarts;
    }
}

std::int64_t Guest::mmu_update(std::uint64_t pointer, std::uint64_t value, std::uint32_t foreign)
{
    auto* const request = guest_new<abi::mmu_update>({pointer, value});
    return call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, foreign);
}

std::int64_t Guest::extended(unsigned command, std::uint64_t first, std::uint64_t second, std::uint32_t foreign)
{
    auto* const operation = guest_new<abi::mmuext_op>();
    operation->cmd = command;
    operation->arg1.mfn = first;
    operation->arg2.src_mfn = second;
    return call(__HYPERVISOR_mmuext_op, guest_address(operation), 1, 0, foreign);
}

} // namespace hv::host
