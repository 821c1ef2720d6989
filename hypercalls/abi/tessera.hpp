// SPDX-License-Identifier: MIT
// Tessera's own hypercall group, number 49. It exists only where the extra version names Tessera; operation 0 tells which
// operations there are. Nothing here changes the meaning of a Xen call.
#pragma once

#include <cstdint>

namespace hv::abi
{

inline constexpr std::uint32_t kTesseraInterface = 1; // what operation 0 returns

// One counter: how often a domain's vCPUs entered the hypervisor for this cause. The name ends with a NUL.
struct tessera_counter
{
    char cause[56];
    std::uint64_t count;
};
static_assert(sizeof(tessera_counter) == 64);

// Operation 1. In: domain, how many entries fit. Out: how many counters are not zero; the first `capacity` are written.
struct tessera_read_counters
{
    std::uint16_t domain;
    std::uint16_t reserved; // 0
    std::uint32_t capacity;
    std::uint64_t entries; // guest address of an array of tessera_counter
    std::uint32_t count;
    std::uint32_t reserved_tail; // 0
};
static_assert(sizeof(tessera_read_counters) == 24);

} // namespace hv::abi
