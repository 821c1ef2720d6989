// SPDX-License-Identifier: MIT
// Instructions of ours that may fault on a guest's values, and where to go on when they do.
#pragma once

#include <cstdint>

// In inline assembly: HV_FIXUP("1b", "2f") registers the pair (faulting instruction, continuation).
#define HV_FIXUP(instruction, continuation) \
    ".pushsection .rodata.fixups, \"a\", @progbits\n\t" \
    ".quad " instruction ", " continuation "\n\t" \
    ".popsection\n\t"

namespace hv
{

// Where to continue after a fault at `rip`; 0 when none was foreseen.
std::uint64_t find_fixup(std::uint64_t rip);

// The CPU's guarded RDMSR and WRMSR: false when they raise #GP.
bool read_msr_guarded(std::uint32_t index, std::uint64_t& value);
bool write_msr_guarded(std::uint32_t index, std::uint64_t value);

} // namespace hv
