// SPDX-License-Identifier: MIT
// The initial page tables of a domain, written before they are validated.
#pragma once

#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv::builder
{

// Takes tables from consecutive pseudo-physical frames, the first of which is the root.
class TableBuilder
{
public:
    TableBuilder(std::uint64_t const* p2m, std::uint64_t first_frame, std::uint64_t count);
    // More tables, from another run of frames, when the present ones are used up.
    void add_tables(std::uint64_t first_frame, std::uint64_t count);
    // NoMem when no table is left.
    Result<void> map(std::uint64_t address, Mfn target, bool writable);

private:
    [[nodiscard]] std::uint64_t take(); // machine frame of an empty table, 0 when none is left

    std::uint64_t const* p2m_;
    Mfn root_;
    std::uint64_t next_;
    std::uint64_t end_;
};

} // namespace hv::builder
