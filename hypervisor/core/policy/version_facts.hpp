// SPDX-License-Identifier: MIT
// What the version hypercall tells about this build and this boot.
#pragma once

#include <cstdint>
#include <span>

namespace hv::policy
{

inline constexpr std::uint32_t kAbiMajor = 4;
inline constexpr std::uint32_t kAbiMinor = 17;
inline constexpr std::uint32_t kAbiVersion = kAbiMajor << 16 | kAbiMinor;

struct VersionFacts
{
    char const* command_line = "";            // ours, as the boot loader gave it
    std::span<std::uint8_t const> build_id{}; // contents of the linker's build-id note, may be empty
};

// Boot, once. What `facts` points to stays.
void set_version_facts(VersionFacts const& facts);
[[nodiscard]] VersionFacts const& version_facts();

} // namespace hv::policy
