// SPDX-License-Identifier: MIT
// The fix-up table, sorted by nobody and short: a linear search on a path that only guests' faults take.
#include <arch/x86_64/entry/fixup.hpp>

extern "C"
{
    struct FixupEntry
    {
        std::uint64_t instruction;
        std::uint64_t continuation;
    };
    extern FixupEntry const fixups_start[], fixups_end[];
}

namespace hv
{

std::uint64_t find_fixup(std::uint64_t rip)
{
    for (FixupEntry const* entry = fixups_start; entry != fixups_end; ++entry)
        if (entry->instruction == rip)
            return entry->continuation;
    return 0;
}

bool read_msr_guarded(std::uint32_t index, std::uint64_t& value)
{
    std::uint32_t low = 0, high = 0, failed = 1;
    asm volatile("1: rdmsr\n\t"
                 "xor %2, %2\n\t"
                 "2:\n\t" HV_FIXUP("1b", "2b")
                 : "+a"(low), "+d"(high), "+r"(failed)
                 : "c"(index));
    value = (std::uint64_t{high} << 32) | low;
    return failed == 0;
}

bool write_msr_guarded(std::uint32_t index, std::uint64_t value)
{
    std::uint32_t failed = 1;
    asm volatile("1: wrmsr\n\t"
                 "xor %0, %0\n\t"
                 "2:\n\t" HV_FIXUP("1b", "2b")
                 : "+r"(failed)
                 : "c"(index), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
    return failed == 0;
}

} // namespace hv
