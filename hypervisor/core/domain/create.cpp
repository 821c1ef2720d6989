// SPDX-License-Identifier: MIT
// Building the record of a domain and of its vCPUs; a failure half-way frees what was made.
#include <core/domain/lifecycle.hpp>

#include <core/domain/domain_table.hpp>
#include <core/domain/range_set.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>
#include <core/policy/system_policies.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <core/trace/counters.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

Result<void> create_shared_info(Domain& domain)
{
    Mfn const frame = HV_TRY(allocate_special_frame(domain));
    domain.shared_info_frame = frame;
    domain.shared_info = reinterpret_cast<abi::shared_info*>(port::frame_data(frame));
    for (auto& vcpu : domain.shared_info->vcpu_info)
        vcpu.evtchn_upcall_mask = 1;
    return {};
}

Result<void> create_parts(Domain& domain, DomainSettings const& settings)
{
    domain.vcpus = static_cast<Vcpu**>(heap_allocate(settings.max_vcpus * sizeof(Vcpu*)));
    HV_REQUIRE(domain.vcpus != nullptr, Errno::NoMem);
    domain.policy = policy::create_domain_policy(settings.control);
    HV_REQUIRE(domain.policy != nullptr, Errno::NoMem);
    HV_TRY_VOID(create_shared_info(domain));
    HV_TRY_VOID(events_create(domain, settings.max_event_port));
    HV_TRY_VOID(grant_table_create(domain, settings.max_grant_frames, settings.max_maptrack_frames,
                                   settings.max_grant_version));
    update_domain_wallclock(domain);
    return {};
}

} // namespace

Result<Domain*> create_domain(std::uint32_t id, DomainSettings const& settings)
{
    HV_REQUIRE(settings.max_vcpus >= 1 && settings.max_vcpus <= kMaxVcpus, Errno::Inval);
    DomainId const reserved = HV_TRY(reserve_domain_id(id, settings.control));
    auto* domain = heap_new<Domain>(reserved);
    if (domain == nullptr)
    {
        cancel_domain_id(reserved);
        return Errno::NoMem;
    }
    domain->control = settings.control;
    domain->max_vcpus = settings.max_vcpus;
    domain->handle = settings.handle;
    domain->ssidref = settings.ssidref;
    sched_domain_create(*domain);
    publish_domain(*domain);
    if (auto const made = create_parts(*domain, settings); !made)
    {
        Budget budget = Budget::unlimited();
        domain_hold(*domain);
        relinquish_domain(*domain, budget).value();
        domain_release(*domain);
        return made.error();
    }
    domain_hold(*domain);
    return domain;
}

namespace
{

// What a vCPU starts with, apart from its context: all unregistered, in kernel mode, FPU at its reset state.
Result<void> create_vcpu_parts(Vcpu& vcpu)
{
    vcpu.pv.traps = static_cast<abi::trap_info*>(heap_allocate(256 * sizeof(abi::trap_info)));
    vcpu.pv.fpu = static_cast<std::byte*>(heap_allocate(port::fpu_area_size()));
    vcpu.counters = static_cast<std::uint64_t*>(heap_allocate(kCounters * sizeof(std::uint64_t)));
    HV_REQUIRE(vcpu.pv.traps != nullptr && vcpu.pv.fpu != nullptr && vcpu.counters != nullptr, Errno::NoMem);
    for (Mfn& frame : vcpu.pv.gdt_frames)
        frame = kInvalidMfn;
    port::reset_fpu(vcpu);
    HV_TRY_VOID(vcpu_info_create(vcpu));
    HV_TRY_VOID(port::create_window(vcpu));
    return {};
}

void free_vcpu_parts(Vcpu& vcpu)
{
    port::destroy_window(vcpu);
    heap_free(vcpu.counters, kCounters * sizeof(std::uint64_t));
    heap_free(vcpu.pv.fpu, port::fpu_area_size());
    heap_free(vcpu.pv.traps, 256 * sizeof(abi::trap_info));
}

} // namespace

Result<Vcpu*> create_vcpu(Domain& domain)
{
    HV_REQUIRE(domain.vcpu_count < domain.max_vcpus, Errno::Inval);
    auto* vcpu = heap_new<Vcpu>(domain, VcpuId{domain.vcpu_count});
    HV_REQUIRE(vcpu != nullptr, Errno::NoMem);
    if (auto const made = create_vcpu_parts(*vcpu); !made)
    {
        free_vcpu_parts(*vcpu);
        vcpu_info_destroy(*vcpu);
        heap_delete(vcpu);
        return made.error();
    }
    sched_unit_create(*vcpu);
    domain.vcpus[domain.vcpu_count] = vcpu;
    store_release(domain.vcpu_count, domain.vcpu_count + 1);
    update_vcpu_time_info(*vcpu);
    return vcpu;
}

void free_domain(Domain& domain)
{
    // Others reach a domain's ports and grants as long as they hold a reference of it, so these go last.
    if (domain.events != nullptr)
        events_destroy(domain);
    grant_table_free(domain);
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
    {
        free_vcpu_parts(*domain.vcpus[id]);
        heap_delete(domain.vcpus[id]);
    }
    heap_free(domain.vcpus, domain.max_vcpus * sizeof(Vcpu*));
    policy::destroy_domain_policy(domain.policy);
    heap_delete(domain.io_memory);
    heap_delete(domain.io_ports);
    heap_free(domain.memory_map.data(), domain.memory_map.size_bytes());
    raise_global_virq(VIRQ_DOM_EXC);
    heap_delete(&domain);
}

} // namespace hv
