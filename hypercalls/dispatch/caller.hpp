// SPDX-License-Identifier: MIT
// Who makes a hypercall, its arguments, and how much it may do before it must let go.
#pragma once

#include <core/domain/domain.hpp>
#include <lib/result.hpp>
#include <port/port.hpp>

#include <cstdint>
#include <type_traits>

namespace hv
{

// Preemption: work is counted, not timed, since interrupts are off. One unit is about one page-table entry checked.
inline constexpr std::int32_t kWorkBudget = 2048;

class Caller
{
public:
    explicit Caller(Vcpu& vcpu) : vcpu_(vcpu) {}

    [[nodiscard]] Vcpu& vcpu() const { return vcpu_; }
    [[nodiscard]] Domain& domain() const { return vcpu_.domain(); }
    [[nodiscard]] bool is_control() const { return domain().is_control(); }

    // Spends `units` of work; true when the call should save its progress and return Errno::Restart.
    [[nodiscard]] bool spend(std::int32_t units)
    {
        budget_ -= units;
        return budget_ <= 0;
    }

    // Progress of a call that returns Errno::Restart: argument `index` is `value` when it is made again. The others stay.
    void resume_with(unsigned index, std::uint64_t value)
    {
        next_[index] = value;
        changed_ |= 1u << index;
    }
    // Calls `change(index, value)` for each argument that resume_with() named.
    template<typename F>
    void for_each_resumed(F&& change) const
    {
        for (unsigned index = 0; index < kRegisters; ++index)
            if ((changed_ >> index & 1) != 0)
                change(index, next_[index]);
    }

private:
    static constexpr unsigned kRegisters = 5; // no call has a sixth

    Vcpu& vcpu_;
    std::int32_t budget_ = kWorkBudget;
    std::uint32_t changed_ = 0;      // bit n: next_[n] counts
    std::uint64_t next_[kRegisters]; // not set before: most calls never look at it
};

// For lists whose entries may each make other CPUs flush: a call stops and restarts after some of those, so that interrupts
// get in between.
class FlushLimit
{
public:
    [[nodiscard]] bool reached() const { return static_cast<std::int32_t>(port::remote_flushes() - limit_) >= 0; }

private:
    static constexpr std::uint32_t kMost = 16;
    std::uint32_t limit_ = port::remote_flushes() + kMost; // the count wraps
};

// What a handler returns: a value for rax, an error, or Errno::Restart.
using CallResult = Result<std::int64_t>;

// The same as the guest sees it in rax or in a multicall entry.
inline std::uint64_t register_value(CallResult const& result)
{
    return result ? static_cast<std::uint64_t>(result.value())
                  : static_cast<std::uint64_t>(-static_cast<std::int64_t>(result.error()));
}

template<typename T>
concept AbiSafe = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;

// Copies one structure; small ones without a loop.
template<AbiSafe T>
[[gnu::always_inline]] inline bool read_object(T& value, GuestVirtual source)
{
    if constexpr (sizeof(T) % 8 == 0 && sizeof(T) / 8 <= port::kMaxWords)
    {
        std::uint64_t words[sizeof(T) / 8];
        if (!port::load_words_from_guest(words, source)) [[unlikely]]
            return false;
        __builtin_memcpy(&value, words, sizeof(T));
        return true;
    }
    else if constexpr (sizeof(T) == sizeof(std::uint32_t))
    {
        std::uint32_t half;
        if (!port::load_half_from_guest(half, source)) [[unlikely]]
            return false;
        __builtin_memcpy(&value, &half, sizeof(T));
        return true;
    }
    else
        return port::copy_from_guest(&value, source, sizeof(T));
}

template<AbiSafe T>
[[gnu::always_inline]] inline bool write_object(GuestVirtual destination, T const& value)
{
    if constexpr (sizeof(T) % 8 == 0 && sizeof(T) / 8 <= port::kMaxWords)
    {
        std::uint64_t words[sizeof(T) / 8];
        __builtin_memcpy(words, &value, sizeof(T));
        return port::store_words_to_guest(destination, words);
    }
    else
        return port::copy_to_guest(destination, &value, sizeof(T));
}

// One guest structure, reachable only by copying. The address is checked by the port.
template<AbiSafe T>
class GuestIn
{
public:
    constexpr explicit GuestIn(std::uint64_t address) : address_(address) {}
    [[nodiscard]] bool null() const { return address_.raw() == 0; }
    Result<T> read(std::uint64_t index = 0) const
    {
        T value;
        if (!read_object(value, address(index)))
            return Errno::Fault;
        return value;
    }
    [[nodiscard]] GuestVirtual address(std::uint64_t index) const
    {
        return GuestVirtual{address_.raw() + index * sizeof(T)};
    }
    [[nodiscard]] bool read_array(T* into, std::uint64_t first, std::uint64_t count) const
    {
        return port::copy_from_guest(into, address(first), count * sizeof(T));
    }

private:
    GuestVirtual address_;
};

template<AbiSafe T>
class GuestOut
{
public:
    constexpr explicit GuestOut(std::uint64_t address) : address_(address) {}
    [[nodiscard]] bool null() const { return address_.raw() == 0; }
    Result<void> write(T const& value, std::uint64_t index = 0) const
    {
        if (!write_object(GuestVirtual{address_.raw() + index * sizeof(T)}, value))
            return Errno::Fault;
        return {};
    }
    [[nodiscard]] bool write_array(T const* from, std::uint64_t first, std::uint64_t count) const
    {
        return port::copy_to_guest(GuestVirtual{address_.raw() + first * sizeof(T)}, from, count * sizeof(T));
    }

private:
    GuestVirtual address_;
};

template<AbiSafe T>
class GuestInOut : public GuestIn<T>
{
public:
    using GuestIn<T>::GuestIn;
    Result<void> write(T const& value, std::uint64_t index = 0) const
    {
        if (!write_object(this->address(index), value))
            return Errno::Fault;
        return {};
    }
};

} // namespace hv
