// SPDX-License-Identifier: MIT
// What a vCPU called last, for a panic's output and a hang's.
#pragma once

#include <array>
#include <cstdint>

namespace hv
{

class Vcpu;

// A ring of the last calls. An iret that is no part of a multicall is not among them: it would push out what led to it.
// Written at every call by the CPU that runs the vCPU and without synchronisation; whoever else reads it may find a call
// that is just being noted half there.
class LastHypercalls
{
public:
    struct Call
    {
        std::uint32_t number;
        std::uint32_t operation; // the low half of the first argument
    };
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};
    static constexpr unsigned kKept = 256 / sizeof(Call);

    LastHypercalls() { bytes_.fill(0xff); }

    // The position counts bytes in a byte, so that it wraps by itself: this is part of every hypercall.
    void note(std::uint32_t number, std::uint32_t operation)
    {
        __builtin_memcpy(&bytes_[next_], &number, sizeof number);
        __builtin_memcpy(&bytes_[next_ + sizeof number], &operation, sizeof operation);
        next_ = static_cast<std::uint8_t>(next_ + sizeof(Call));
    }

    // The newest is 0; number kNone where there was none.
    [[nodiscard]] Call operator[](unsigned age) const
    {
        Call call;
        __builtin_memcpy(&call, &bytes_[static_cast<std::uint8_t>(next_ - (age + 1) * sizeof call)], sizeof call);
        return call;
    }

private:
    std::array<std::uint8_t, kKept * sizeof(Call)> bytes_;
    std::uint8_t next_ = 0;
};

// Names the last calls of the vCPU in the log, the newest last; nothing if there were none.
void log_last_hypercalls(Vcpu const& vcpu);

} // namespace hv
