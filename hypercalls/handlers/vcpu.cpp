// SPDX-License-Identifier: MIT
// vcpu_op: decodes, checks, and calls core/domain, core/sched and core/time.
#include <core/domain/context.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/irq/device_machine.hpp>
#include <core/mm/allocator.hpp>
#include <core/sched/run_queue.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/vcpu.hpp>
#include <lib/atomic.hpp>

namespace hv::handlers
{
namespace
{

inline constexpr std::uint64_t kMinPeriod = 1'000'000;
inline constexpr std::uint32_t kInSharedInfo = 32; // ids below have a vcpu_info from the start

// The vCPU named by the second register. vcpu_op_call() has checked that it exists.
Vcpu& named(Caller& caller, std::uint64_t id)
{
    return *caller.domain().vcpu(static_cast<std::uint32_t>(id));
}

bool is_down(Vcpu const& vcpu)
{
    return (load_relaxed(vcpu.sched.stop) & stop::kDown) != 0;
}

// A copy of the caller's context structure on the heap: it is larger than a stack frame should be.
class ContextBuffer
{
public:
    ContextBuffer() : context_(static_cast<abi::vcpu_guest_context*>(heap_allocate(sizeof(abi::vcpu_guest_context)))) {}
    ~ContextBuffer()
    {
        if (context_ != nullptr)
            heap_free(context_, sizeof(*context_));
    }
    ContextBuffer(ContextBuffer const&) = delete;
    ContextBuffer& operator=(ContextBuffer const&) = delete;
    [[nodiscard]] abi::vcpu_guest_context* get() const { return context_; }

private:
    abi::vcpu_guest_context* context_;
};

} // namespace

CallResult vcpu_op_call(Caller& caller, std::uint64_t operation, std::uint64_t id, std::uint64_t argument)
{
    // Linux counts its CPUs by asking for thousands of ids: the answer for one that is not there comes first.
    HV_REQUIRE(id < kMaxVcpus && caller.domain().vcpu(static_cast<std::uint32_t>(id)) != nullptr, Errno::NoEnt);
    return groups::vcpu_op(static_cast<std::uint32_t>(operation), argument, id, caller);
}

namespace vcpu_op
{

CallResult initialise(Caller& caller, std::uint64_t argument, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    HV_REQUIRE(!load_acquire(vcpu.initialised),
               Errno::Exist); // the common answer early; set_vcpu_context() looks again
    HV_REQUIRE(vcpu.id().raw() < kInSharedInfo || vcpu.info_frame != kInvalidMfn, Errno::Inval);
    ContextBuffer const buffer;
    HV_REQUIRE(buffer.get() != nullptr, Errno::NoMem);
    HV_REQUIRE(GuestIn<abi::vcpu_guest_context>(argument).read_array(buffer.get(), 0, 1), Errno::Fault);
    Budget budget(kWorkBudget);
    HV_TRY_VOID(set_vcpu_context(vcpu, *buffer.get(), budget));
    return 0;
}

CallResult up(Caller& caller, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    HV_REQUIRE(load_acquire(vcpu.initialised), Errno::Inval);
    vcpu_up(vcpu);
    return 0;
}

CallResult down(Caller& caller, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    Domain& domain = caller.domain();
    bool last = true;
    {
        Guard guard(domain.lifecycle_lock); // two vCPUs that take each other down must not both stay
        for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
            last = last && (domain.vcpus[id] == &vcpu || is_down(*domain.vcpus[id]));
        if (!last)
            vcpu_down(vcpu);
    }
    if (last)
        shutdown_domain(domain, SHUTDOWN_poweroff);
    return 0;
}

CallResult is_up(Caller& caller, std::uint64_t id)
{
    return is_down(named(caller, id)) ? 0 : 1;
}

CallResult get_runstate_info(Caller& caller, abi::vcpu_runstate_info& out, std::uint64_t id)
{
    out = vcpu_runstate(named(caller, id));
    return 0;
}

CallResult register_runstate_area(Caller& caller, abi::vcpu_register_runstate_memory_area const& args, std::uint64_t id)
{
    HV_REQUIRE(is_guest_address(args.addr.p), Errno::Fault);
    HV_TRY_VOID(vcpu_register_runstate_area(named(caller, id), GuestVirtual{args.addr.p}));
    return 0;
}

CallResult set_periodic_timer(Caller& caller, abi::vcpu_set_periodic_timer const& args, std::uint64_t id)
{
    HV_REQUIRE(args.period_ns >= kMinPeriod && args.period_ns <= (1ull << 62), Errno::Inval);
    vcpu_set_periodic(named(caller, id), args.period_ns);
    return 0;
}

CallResult stop_periodic_timer(Caller& caller, std::uint64_t id)
{
    vcpu_set_periodic(named(caller, id), 0);
    return 0;
}

CallResult set_singleshot_timer(Caller& caller, abi::vcpu_set_singleshot_timer const& args, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    HV_REQUIRE(&vcpu == &caller.vcpu(), Errno::Inval);
    HV_REQUIRE((args.flags & VCPU_SSHOTTMR_future) == 0 || args.timeout_abs_ns >= port::now().raw(), Errno::Time);
    vcpu_set_singleshot(vcpu, args.timeout_abs_ns);
    return 0;
}

CallResult stop_singleshot_timer(Caller& caller, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    HV_REQUIRE(&vcpu == &caller.vcpu(), Errno::Inval);
    vcpu_stop_singleshot(vcpu);
    return 0;
}

CallResult register_info(Caller& caller, abi::vcpu_register_vcpu_info const& args, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    HV_REQUIRE(&vcpu == &caller.vcpu() || is_down(vcpu), Errno::Inval);
    HV_TRY_VOID(register_vcpu_info(vcpu, GuestFrame{args.mfn}, args.offset));
    return 0;
}

CallResult send_nmi(Caller& caller, std::uint64_t id)
{
    Vcpu& vcpu = named(caller, id);
    vcpu_send_nmi(vcpu);
    return 0;
}

CallResult get_physid(Caller& caller, abi::vcpu_get_physid& out, std::uint64_t id)
{
    CpuMask const cpus = run_queue::allowed_cpus(named(caller, id).sched);
    bool const one = cpus == CpuMask::of(cpus.first()); // else the answer could be wrong when it arrives
    HV_REQUIRE(caller.is_control() && one, Errno::Inval);
    CpuIdentity const identity = device_machine().cpu_identity(cpus.first());
    out.phys_id = static_cast<std::uint64_t>(identity.acpi_id) << 32 | identity.apic_id;
    return 0;
}

CallResult register_time_area(Caller& caller, abi::vcpu_register_time_memory_area const& args, std::uint64_t id)
{
    HV_REQUIRE(is_guest_address(args.addr.p), Errno::Fault);
    HV_TRY_VOID(vcpu_register_time_area(named(caller, id), GuestVirtual{args.addr.p}));
    return 0;
}

} // namespace vcpu_op
} // namespace hv::handlers
