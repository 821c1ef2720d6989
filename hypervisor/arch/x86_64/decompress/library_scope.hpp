// SPDX-License-Identifier: MIT
// What code compiled for user space needs before it can run here: a heap and a thread area.
#pragma once

#include <arch/x86_64/decompress/boot_arena.hpp>

#include <cstdint>

namespace hv
{

// While one exists, malloc() takes from `arena` and %fs points at an area with a stack-protector canary. Boot CPU only,
// one at a time. Afterwards everything the libraries allocated is gone.
class LibraryScope
{
public:
    explicit LibraryScope(BootArena& arena);
    ~LibraryScope();
    LibraryScope(LibraryScope const&) = delete;
    LibraryScope& operator=(LibraryScope const&) = delete;

private:
    BootArena& arena_;
    std::size_t mark_;
    std::uint64_t fs_base_;
};

} // namespace hv
