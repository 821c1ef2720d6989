// SPDX-License-Identifier: MIT
// physdev_op.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers::physdev_op
{

CallResult set_iopl(Caller& caller, abi::physdev_set_iopl const& args);
CallResult set_iobitmap(Caller& caller, abi::physdev_set_iobitmap const& args);

} // namespace hv::handlers::physdev_op
