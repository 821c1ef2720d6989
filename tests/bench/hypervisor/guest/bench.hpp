// SPDX-License-Identifier: MIT
// What the benchmark's parts share: counting instructions with RDTSC, hypercalls that cost the guest next to nothing, and
// reporting.
//
// Under `-icount shift=0,sleep=off` the time-stamp counter is an exact counter of the instructions that the machine
// executed, so a difference of two readings is a number of instructions, the same in every run. The least of several
// rounds leaves out those that a timer of the hypervisor interrupted.
#pragma once

#include <tests/guests/runtime/guest.hpp>

namespace bench
{

namespace abi = hv::abi;

[[gnu::always_inline]] inline std::uint64_t ticks()
{
    std::uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (std::uint64_t{high} << 32) | low;
}

// A hypercall inline: the loads of its registers and SYSCALL.
[[gnu::always_inline]] inline long call(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0,
                                        std::uint64_t c = 0, std::uint64_t d = 0)
{
    register std::uint64_t r10 asm("r10") = d;
    long result;
    asm volatile("syscall" : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10) : "0"(number) : "rcx", "r11", "memory");
    return result;
}

inline constexpr unsigned kRounds = 24;
extern std::uint64_t empty_cost; // of two readings with nothing in between

// The least number of instructions that `operation(round)` took; `prepare(round)` runs before each and is not counted.
template<typename Prepare, typename Operation>
[[gnu::always_inline]] inline std::uint64_t least(Prepare&& prepare, Operation&& operation, unsigned rounds = kRounds)
{
    std::uint64_t best = ~0ull;
    for (unsigned round = 0; round < rounds; ++round)
    {
        prepare(round);
        std::uint64_t const start = ticks();
        operation(round);
        std::uint64_t const taken = ticks() - start;
        best = taken < best ? taken : best;
    }
    return best - empty_cost;
}

template<typename Operation>
[[gnu::always_inline]] inline std::uint64_t least(Operation&& operation)
{
    return least([](unsigned) {}, operation);
}

// One line for the driver: a row's key, how many instructions, for how many operations.
void report(char const* key, std::uint64_t instructions, std::uint64_t operations = 1);
// A call that has to succeed for the numbers to mean anything; tells and ends the run otherwise.
void require(bool good, char const* what, long got);
#define BENCH_REQUIRE(expression, wanted) \
    do \
    { \
        long const got_ = static_cast<long>(expression); \
        ::bench::require(got_ == static_cast<long>(wanted), #expression, got_); \
    } while (0)

// ---- the parts, in this order
void measure_entry();
void measure_reflection();
void measure_user_mode();
void measure_mmu();
void measure_events();
void measure_switching();
void measure_grants();
void measure_domains();

// ---- what parts use of each other
std::uint32_t loopback_port(); // a pair of ports of ours: events of the first arrive at the second
std::uint32_t peer_of_loopback();

} // namespace bench
