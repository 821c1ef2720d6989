// SPDX-License-Identifier: MIT
// What the C++ library calls when a bound that it checks is broken. Optimised builds see that std::string_view's own
// members never do that and drop the calls; builds for debugging keep them.
#include <lib/bug.hpp>

#include <bits/functexcept.h>

void std::__throw_out_of_range_fmt(char const* what, ...)
{
    HV_BUG(what);
}
