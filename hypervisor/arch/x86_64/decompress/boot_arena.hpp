// SPDX-License-Identifier: MIT
// A piece of memory that boot code takes slices from; all of it is given back at once by whoever provided it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

class BootArena
{
public:
    explicit BootArena(std::span<std::byte> memory) : memory_(memory) {}
    BootArena(BootArena const&) = delete;
    BootArena& operator=(BootArena const&) = delete;

    // nullptr when there is no room. `alignment` is a power of two.
    std::byte* allocate(std::size_t bytes, std::size_t alignment = 16)
    {
        auto const base = reinterpret_cast<std::uintptr_t>(memory_.data());
        std::uintptr_t const start = (base + used_ + alignment - 1) & ~(alignment - 1);
        if (start - base > memory_.size() || memory_.size() - (start - base) < bytes)
            return nullptr;
        used_ = start - base + bytes;
        return memory_.data() + (start - base);
    }

    [[nodiscard]] std::size_t used() const { return used_; }

    // Gives back everything allocated since used() returned `mark`.
    void release_to(std::size_t mark) { used_ = mark < used_ ? mark : used_; }

private:
    std::span<std::byte> memory_;
    std::size_t used_ = 0;
};

} // namespace hv
