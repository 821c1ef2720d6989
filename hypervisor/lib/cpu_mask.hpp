// SPDX-License-Identifier: MIT
// A set of physical CPUs, fixed size, with atomic single-bit updates.
#pragma once

#include <lib/atomic.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

inline constexpr std::uint32_t kMaxCpus = 64;

class CpuMask
{
public:
    constexpr CpuMask() = default;
    constexpr explicit CpuMask(std::uint64_t bits) : bits_(bits) {}
    static constexpr CpuMask all() { return CpuMask{~0ull}; }
    static constexpr CpuMask of(CpuId cpu) { return CpuMask{1ull << cpu.raw()}; }

    [[nodiscard]] bool test(CpuId cpu) const { return ((load_relaxed(bits_) >> cpu.raw()) & 1) != 0; }
    void set(CpuId cpu) { fetch_or(bits_, 1ull << cpu.raw()); }       // full barrier
    void clear(CpuId cpu) { fetch_and(bits_, ~(1ull << cpu.raw())); } // full barrier
    [[nodiscard]] std::uint64_t bits() const { return load_relaxed(bits_); }
    [[nodiscard]] bool empty() const { return bits() == 0; }
    // Bit by bit: without POPCNT the compiler would call a library that a freestanding image does not have.
    [[nodiscard]] std::uint32_t count() const
    {
        std::uint32_t number = 0;
        for (std::uint64_t rest = bits(); rest != 0; rest &= rest - 1)
            ++number;
        return number;
    }
    [[nodiscard]] CpuId first() const { return CpuId{static_cast<std::uint32_t>(__builtin_ctzll(bits()))}; }

    CpuMask operator&(CpuMask other) const { return CpuMask{bits() & other.bits()}; }
    CpuMask operator|(CpuMask other) const { return CpuMask{bits() | other.bits()}; }
    CpuMask operator~() const { return CpuMask{~bits()}; }
    bool operator==(CpuMask other) const { return bits() == other.bits(); }

    template<typename F>
    void for_each(F&& visit) const
    {
        for (std::uint64_t rest = bits(); rest != 0; rest &= rest - 1)
            visit(CpuId{static_cast<std::uint32_t>(__builtin_ctzll(rest))});
    }

private:
    std::uint64_t bits_ = 0;
};

} // namespace hv
