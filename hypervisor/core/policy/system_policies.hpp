// SPDX-License-Identifier: MIT
// The policies of this machine, made once at boot, and each domain's own copy.
#pragma once

#include <core/policy/cpu_policy.hpp>

#include <cstdint>

namespace hv::policy
{

// What the Xen leaves report about the machine.
struct MachineFacts
{
    unsigned address_bits = 36; // every machine address, memory to be plugged included, fits
    std::uint64_t tsc_khz = 0;
    bool tsc_reliable = false; // invariant and synchronised
    std::uint32_t tsc_mul = 0; // pvclock scale
    std::int8_t tsc_shift = 0;
};

struct SystemPolicies
{
    CpuPolicy raw;
    CpuPolicy host;
    CpuPolicy pv_maximum;
    CpuPolicy pv_default;
    MachineFacts facts;
};

// Boot, once, before the first domain.
void initialise_policies(HostCpu& host, MachineFacts const& facts);
[[nodiscard]] SystemPolicies const& system_policies();

// A policy for a new domain, on the heap; nullptr when memory is out. The control domain also sees the invariant TSC.
[[nodiscard]] CpuPolicy* create_domain_policy(bool control);
void destroy_domain_policy(CpuPolicy* policy);

} // namespace hv::policy
