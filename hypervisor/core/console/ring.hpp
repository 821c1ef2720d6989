// SPDX-License-Identifier: MIT
// The last part of everything the console said, readable from any point on without losing or repeating a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

// Positions count bytes since boot and wrap at 2^32, as the readconsole interface has them. The caller locks.
class ConsoleRing
{
public:
    // `memory` must be a power of two in size and outlive the ring.
    constexpr explicit ConsoleRing(std::span<char> memory) : memory_(memory) {}

    // Takes over more memory; what the old one held is kept as far as it fits.
    void move_to(std::span<char> memory);

    void write(std::span<char const> text);

    // Copies what follows `position` (or the oldest byte still held, when that is younger) and moves it on.
    std::size_t read(std::uint32_t& position, std::span<char> out) const;

    void clear() { first_ = end_; }
    [[nodiscard]] std::uint32_t first() const { return first_; }
    [[nodiscard]] std::uint32_t end() const { return end_; }

private:
    [[nodiscard]] char& at(std::uint32_t position) const { return memory_[position & (memory_.size() - 1)]; }

    std::span<char> memory_;
    std::uint32_t first_ = 0; // oldest readable byte
    std::uint32_t end_ = 0;
};

} // namespace hv
