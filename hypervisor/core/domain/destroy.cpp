// SPDX-License-Identifier: MIT
// The end of a domain: everything it holds is given back in steps that can be interrupted.
#include <core/domain/lifecycle.hpp>

#include <core/domain/roots.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/grant/grant_table.hpp>
#include <core/irq/pirq.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/deferred.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint32_t kFramesAtOnce = 64; // freed under one hold of the locks

// From here on nothing new can be taken: whoever adds frames or pins tables looks at `life` under these locks.
void begin_dying(Domain& domain)
{
    domain_pause(domain);
    {
        Guard guard(domain.lifecycle_lock);
        store_release(domain.life, Life::Dying);
    }
    {
        Guard guard(domain.page_lock);
    }
    claim_frames(domain, 0).value();
    {
        Guard guard(domain.mmu_lock);
    }
    port::unload_domain(domain);
}

Result<void> relinquish_vcpus(Domain& domain, Budget& budget)
{
    Guard guard(domain.mmu_lock);
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
        HV_TRY_VOID(drop_vcpu_tables(*domain.vcpus[id], budget));
    return {};
}

// Unpins, tears down what was left partial, and drops the allocation. The frame may live on through other references.
Result<void> relinquish_frame(Domain& domain, Mfn frame, Budget& budget)
{
    FrameInfo& info = *frame_info(frame);
    HV_TRY_VOID(finish_deferred(domain, budget));
    if (info.pinned())
    {
        fetch_and(info.usage, ~FrameInfo::kPinned);
        HV_TRY_VOID(put_table(domain, frame, info.type(), budget));
    }
    if ((load_relaxed(info.usage) & FrameInfo::kPartial) != 0)
    {
        domain.deferred_tables[static_cast<unsigned>(info.type())] = frame;
        HV_TRY_VOID(finish_deferred(domain, budget));
    }
    return {};
}

Result<void> relinquish_memory(Domain& domain, Budget& budget)
{
    Guard guard(domain.mmu_lock);
    for (;;)
    {
        HV_TRY_VOID(finish_deferred(domain, budget));
        budget.spend(static_cast<std::int32_t>(free_unshared_frames(domain, kFramesAtOnce)));
        Mfn const frame{load_relaxed(domain.pages.first)};
        if (frame == Mfn{0})
            return {};
        if (budget.exhausted())
            return Errno::Restart;
        budget.spend(2);
        // Its own reference for the time of work: unpinning may drop all others.
        if (!get_frame(frame, domain.id()))
            continue; // being freed on another CPU this instant
        FrameRef const held(frame);
        HV_TRY_VOID(relinquish_frame(domain, frame, budget));
        move_to_relinquished(domain, frame);
        (void)release_domain_frame(domain, frame, false);
    }
}

void drop_special_frames(Domain& domain)
{
    grant_table_destroy(domain);
    if (domain.shared_info_frame != kInvalidMfn)
        (void)release_domain_frame(domain, domain.shared_info_frame, false);
}

} // namespace

Result<void> destroy_domain(Domain& domain, Budget& budget)
{
    HV_REQUIRE(!domain.control, Errno::Perm);
    return relinquish_domain(domain, budget);
}

Result<void> relinquish_domain(Domain& domain, Budget& budget)
{
    // One caller at a time; a second one finds the work going on and is told to come back.
    HV_REQUIRE(exchange(domain.relinquishing, std::uint8_t{1}) == 0, Errno::Restart);
    struct Release
    {
        Domain& domain;
        ~Release() { store_release(domain.relinquishing, 0); }
    } const release{domain};
    if (load_acquire(domain.life) == Life::Dead)
        return {};
    if (load_acquire(domain.life) < Life::Dying)
        begin_dying(domain);
    std::int32_t units = 512; // ports and grant mappings closed at a time
    if (domain.events != nullptr && !events_relinquish(domain, units))
        return Errno::Restart;
    if (domain.grants != nullptr && !grant_table_relinquish(domain, units))
        return Errno::Restart;
    pirqs_relinquish(domain);
    HV_TRY_VOID(relinquish_vcpus(domain, budget));
    HV_TRY_VOID(relinquish_memory(domain, budget));
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
    {
        vcpu_timers_stop(*domain.vcpus[id]);
        vcpu_info_destroy(*domain.vcpus[id]);
        sched_unit_destroy(*domain.vcpus[id]);
    }
    sched_domain_destroy(domain);
    drop_special_frames(domain);
    store_release(domain.life, Life::Dead);
    raise_global_virq(VIRQ_DOM_EXC);
    domain_release(domain); // the alive reference
    return {};
}

} // namespace hv
