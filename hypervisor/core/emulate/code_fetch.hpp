// SPDX-License-Identifier: MIT
// Reading the instruction that a guest was stopped at.
#pragma once

#include <core/emulate/context.hpp>
#include <core/emulate/decoder.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace hv::emulate
{

class CodeWindow
{
public:
    // Reads at most kWindow bytes from `skip` bytes after rip. False: the code segment is none, or the
    // first byte lies beyond its limit; such a guest gets its exception back.
    [[nodiscard]] bool fetch(EmulationContext& context, unsigned skip = 0);

    [[nodiscard]] CodeMode mode() const { return mode_; }
    [[nodiscard]] std::span<std::uint8_t const> bytes() const { return {bytes_.data(), count_}; }
    // The first eight of them, zeros for what could not be read.
    [[nodiscard]] std::uint64_t first_word() const
    {
        std::uint64_t word;
        __builtin_memcpy(&word, bytes_.data(), sizeof word);
        return word;
    }
    // Linear address of the first byte that could not be read.
    [[nodiscard]] std::uint64_t end() const { return linear_ + count_; }

private:
    static constexpr std::size_t kWindow = 16; // the longest instruction in whole words, which are quicker to copy
    static_assert(kWindow >= kMaxInstructionLength);

    // Set by fetch() when it says so; of the bytes, the first count_.
    std::array<std::uint8_t, kWindow> bytes_{};
    std::size_t count_;
    std::uint64_t linear_;
    CodeMode mode_;
};

// Moves rip behind the instruction, within the width of its code segment, and ends the shadow of RF.
void advance(Registers& registers, CodeMode mode, unsigned bytes);

} // namespace hv::emulate
