// SPDX-License-Identifier: MIT
// Result<T>: a value or an ABI error number, returned in registers, never ignored.
#pragma once

#include <lib/bug.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace hv
{

// ABI error numbers (public header errno.h); handlers return the negated value to the guest. As wide as a register, so
// that a Result has no padding for the compiler to preserve.
enum class Errno : std::int64_t
{
    None = 0,
    Perm = 1,
    NoEnt = 2,
    Srch = 3,
    Io = 5,
    TooBig = 7,
    BadF = 9,
    Again = 11,
    NoMem = 12,
    Access = 13,
    Fault = 14,
    Busy = 16,
    Exist = 17,
    XDev = 18,
    NoDev = 19,
    Inval = 22,
    NoSpc = 28,
    Range = 34,
    NoSys = 38,
    NoData = 61,
    Time = 62,
    Overflow = 75,
    Restart = 85,
    OpNotSupp = 95,
    AddrInUse = 98,
    NoBufs = 105,
    NxIo = 6,
    TimedOut = 110,
    FrameReplaced = 86, // ours alone: an iret has written the guest's frame, so there is no result to put into it
};

template<typename T>
class [[nodiscard]] Result
{
    static_assert(std::is_trivially_copyable_v<T>);

public:
    constexpr Result(T value) : value_(value) {}
    constexpr Result(Errno error) : error_(error) {}

    constexpr explicit operator bool() const { return error_ == Errno::None; }
    [[nodiscard]] constexpr Errno error() const { return error_; }
    [[nodiscard]] constexpr T value() const
    {
        HV_ASSERT(error_ == Errno::None);
        return value_;
    }
    constexpr T operator*() const { return value(); }

private:
    T value_{};
    Errno error_ = Errno::None;
};

template<>
class [[nodiscard]] Result<void>
{
public:
    constexpr Result() = default;
    constexpr Result(Errno error) : error_(error) {}

    constexpr explicit operator bool() const { return error_ == Errno::None; }
    [[nodiscard]] constexpr Errno error() const { return error_; }
    constexpr void value() const { HV_ASSERT(error_ == Errno::None); }

private:
    Errno error_ = Errno::None;
};

} // namespace hv

// Evaluates to the value or returns the error from the enclosing function.
#define HV_TRY(expression) \
    ({ \
        auto hv_try_result = (expression); \
        if (!hv_try_result) [[unlikely]] \
            return hv_try_result.error(); \
        hv_try_result.value(); \
    })

// The same for Result<void>.
#define HV_TRY_VOID(expression) \
    do \
    { \
        if (auto const hv_try_result = (expression); !hv_try_result) [[unlikely]] \
            return hv_try_result.error(); \
    } while (0)

// Returns `error` unless `condition` holds.
#define HV_REQUIRE(condition, error) \
    do \
    { \
        if (!(condition)) [[unlikely]] \
            return (error); \
    } while (0)
