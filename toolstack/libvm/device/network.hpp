// SPDX-License-Identifier: MIT
// Network interfaces of the control domain: bridges, and the back ends' interfaces that appear on their own.
#pragma once

#include "base/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace vm
{

/// Throws Error(Usage) if there is no such interface, or if it is not a bridge.
void check_bridge(std::string const& bridge);

bool interface_exists(std::string const& name);

/// Tells of interfaces as they come: open it before causing one to appear.
class InterfaceWatch
{
public:
    InterfaceWatch();

    /// True as soon as `name` exists, false if it did not within the limit.
    bool wait_for(std::string const& name, std::chrono::milliseconds limit);

private:
    UniqueFd socket_;
};

/// Brings a back end's interface up as a port of `bridge` (none if empty), under `new_name`, with `mtu` (0: bridge's).
void plug_interface(std::string const& name, std::string const& new_name, std::string const& bridge, std::uint32_t mtu);

} // namespace vm
