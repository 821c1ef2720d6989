// SPDX-License-Identifier: MIT
// HV_BUG and HV_ASSERT: our own faults stop the machine loudly. Never used on guest input.
#pragma once

namespace hv
{

// Prints cause and place, then panics. Supplied by the architecture (machine stop) or the hosted test port (abort).
[[noreturn]] void bug(char const* what, char const* file, int line);

} // namespace hv

#define HV_BUG(what) ::hv::bug((what), __FILE__, __LINE__)
#define HV_ASSERT(condition) \
    do \
    { \
        if (!(condition)) [[unlikely]] \
            ::hv::bug(#condition, __FILE__, __LINE__); \
    } while (0)
