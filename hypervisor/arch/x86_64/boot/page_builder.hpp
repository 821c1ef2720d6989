// SPDX-License-Identifier: MIT
// Writes page-table trees of the hypervisor's own part, choosing the largest pages that fit.
#pragma once

#include <arch/x86_64/boot/paging.hpp>

namespace hv
{

class PageBuilder
{
public:
    explicit PageBuilder(MachineAddress root) : root_(root) {}

    // Leaves are no larger than this from now on.
    void set_largest_page(std::uint64_t bytes) { largest_page_ = bytes; }

    // All three page-aligned. Mapping over a present entry is a bug. Missing tables come from boot memory.
    void map(std::uint64_t address, MachineAddress target, std::uint64_t size, Protection protection);

    // The table of `level` (1 the lowest) on the way to `address`, made when missing.
    std::uint64_t* table(std::uint64_t address, unsigned level);

    [[nodiscard]] bool translate(std::uint64_t address, MachineAddress& out) const;

private:
    [[nodiscard]] unsigned choose_level(std::uint64_t address, std::uint64_t target, std::uint64_t size) const;

    MachineAddress root_;
    std::uint64_t largest_page_ = ~0ull;
};

} // namespace hv
