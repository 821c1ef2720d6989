// SPDX-License-Identifier: MIT
// tessera_op: the counters that the guest kernel kit is measured by.
#include <hypercalls/handlers/tessera.hpp>

#include <core/trace/counters.hpp>
#include <hypercalls/handlers/memory.hpp>

namespace hv::handlers::tessera_op
{
namespace
{

// All vCPUs' counts of one cause. The vCPUs may be counting on: a snapshot that is exact once they are paused.
std::uint64_t total(Domain const& domain, unsigned counter)
{
    std::uint64_t sum = 0;
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        sum += load_relaxed(domain.vcpus[id]->counters[counter]);
    return sum;
}

void copy_name(char (&out)[56], char const* name)
{
    for (unsigned i = 0; i + 1 < sizeof(out) && name[i] != '\0'; ++i)
        out[i] = name[i];
}

} // namespace

CallResult interface(Caller&)
{
    return static_cast<std::int64_t>(abi::kTesseraInterface);
}

CallResult read_counters(Caller& caller, abi::tessera_read_counters& args)
{
    HV_REQUIRE(args.reserved == 0 && args.reserved_tail == 0, Errno::Inval);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domain, subject));
    GuestOut<abi::tessera_counter> const list(args.entries);
    args.count = 0;
    for (unsigned counter = 0; counter < kCounters; ++counter)
    {
        abi::tessera_counter entry{};
        entry.count = total(*subject, counter);
        if (entry.count == 0)
            continue;
        copy_name(entry.cause, kCounterNames[counter]);
        if (args.count < args.capacity)
            HV_TRY_VOID(list.write(entry, args.count));
        ++args.count;
    }
    return std::int64_t{0};
}

} // namespace hv::handlers::tessera_op
