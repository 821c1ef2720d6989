// SPDX-License-Identifier: MIT
// Disk and network specifications as xl.cfg writes them: one string a device.
#pragma once

#include "config/guest_config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vm
{

/// "xvda" -> 51712, also sd*, hd*, "d0p1" and plain numbers; nothing for a name that is none of these.
std::optional<std::uint32_t> virtual_device_number(std::string_view device);

/// Parses "TARGET,FORMAT,DEVICE,ACCESS", the key=value form, and the older "phy:"/"file:" prefixes.
/// Throws Error(Usage) with a cause that starts with `where`.
DiskConfig parse_disk(std::string const& specification, std::string const& where);

/// Whether the kernel could have a network interface of this name.
bool is_interface_name(std::string_view name);

/// Parses "mac=...,bridge=...,...".
NicConfig parse_nic(std::string const& specification, std::string const& where);

/// Lower-case aa:bb:cc:dd:ee:ff; nothing for anything else or a multicast address.
std::optional<std::string> normalise_mac(std::string_view text);

/// "10Mb/s", "250KB/s@20ms", "1MB/s@20" (microseconds) ... into bytes per interval; false if it is not a rate.
bool parse_rate(std::string_view text, NicConfig& nic);

} // namespace vm
