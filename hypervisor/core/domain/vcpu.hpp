// SPDX-License-Identifier: MIT
// A virtual CPU: identity, its PV state, and the state that the scheduler, time and event code keep in it.
#pragma once

#include <core/domain/pv_state.hpp>
#include <core/sched/unit.hpp>
#include <core/time/vcpu_time.hpp>
#include <core/trace/last_hypercalls.hpp>
#include <hypercalls/abi/xen.hpp>
#include <lib/strong.hpp>

#include <cstdint>

void entry_offsets();

namespace hv
{

class Domain;
struct FifoQueues;

inline constexpr std::uint32_t kNotLoaded = ~0u;

struct [[gnu::packed]] TablePointer // operand of LGDT and LIDT
{
    std::uint16_t limit = 0;
    std::uint64_t base = 0;
};

class Vcpu
{
public:
    Vcpu(Domain& domain, VcpuId id) : domain_(&domain), id_(id) {}
    Vcpu(Vcpu const&) = delete;
    Vcpu& operator=(Vcpu const&) = delete;

    [[nodiscard]] Domain& domain() const { return *domain_; }
    [[nodiscard]] VcpuId id() const { return id_; }

    PvState pv;
    SchedUnit sched;
    VcpuTime time;

    // This vCPU's vcpu_info as we see it (direct map): in shared_info, or where register_vcpu_info put it (then
    // `info_frame` holds a writable reference). Points to a private dummy for ids >= 32 before registration. Never null.
    abi::vcpu_info* info = nullptr;
    Mfn info_frame = kInvalidMfn;
    abi::vcpu_info* private_info = nullptr; // that dummy; kept until the vCPU is freed, since senders may still see it

    // The CPU whose hardware holds this vCPU's address space and registers, also lazily while that CPU idles; atomic.
    std::uint32_t loaded_cpu = kNotLoaded;
    bool initialised = false;      // has a context (VCPUOP_initialise or setvcpucontext)
    FifoQueues* fifo = nullptr;    // FIFO control block state, or null while 2-level
    std::uint32_t window_slot = 0; // descriptor window index, from 1 (arch layout)
    TablePointer window_gdt;       // the GDT of that window
    LastHypercalls last_hypercalls;
    std::uint64_t* counters = nullptr; // one per counter row (core/trace/counters.hpp)

    std::uint32_t virq_ports[24]{}; // NR_VIRQS; 0 = not bound. Written under the domain's event lock (core/evtchn)

    // Poll state (SCHEDOP_poll): see core/evtchn.
    std::uint32_t poll_port_count = 0;
    std::uint32_t poll_port = 0; // when polling exactly one port

private:
    friend void ::entry_offsets(); // where things are, for assembly

    Domain* const domain_;
    VcpuId const id_;
};

} // namespace hv
