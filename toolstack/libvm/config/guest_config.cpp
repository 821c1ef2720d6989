// SPDX-License-Identifier: MIT
// Cross-field checks of a guest's configuration, shared by every notation.
#include "config/guest_config.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace vm
{
namespace
{

constexpr std::uint64_t kMaxMemoryMib = 16ull * 1024 * 1024; // 16 TiB, the reach of a PV guest's page tables
constexpr std::size_t kMaxNameLength = 128;
constexpr std::size_t kMaxCommandLine = 1023; // start_info holds 1024 bytes with the final NUL

constexpr std::array<std::pair<EndAction, char const*>, 6> kEndActions{{
    {EndAction::Destroy, "destroy"},
    {EndAction::Restart, "restart"},
    {EndAction::RenameRestart, "rename-restart"},
    {EndAction::Preserve, "preserve"},
    {EndAction::CoredumpDestroy, "coredump-destroy"},
    {EndAction::CoredumpRestart, "coredump-restart"},
}};

[[noreturn]] void refuse(std::string const& cause, std::string const& hint = {})
{
    throw Error(ExitCode::Usage, cause, hint);
}

void check_name(std::string const& name)
{
    if (name.empty())
    {
        refuse("the configuration gives no name", "add name = \"...\"");
    }
    if (name.size() > kMaxNameLength)
    {
        refuse("the name is longer than " + std::to_string(kMaxNameLength) + " characters");
    }
    auto const allowed = [](char character) {
        return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
               (character >= 'A' && character <= 'Z') || character == '.' || character == '_' || character == '-' ||
               character == '+' || character == ':';
    };
    if (!std::all_of(name.begin(), name.end(), allowed) || name.front() == '.')
    {
        refuse("the name '" + name + "' has a character that names may not have",
               "use letters, digits and . _ - + : and do not start with a dot");
    }
    if (std::all_of(name.begin(), name.end(), [](char character) { return character >= '0' && character <= '9'; }))
    {
        refuse("the name '" + name + "' is a number and would be taken for a domain id", "add a letter");
    }
}

void check_memory(GuestConfig& guest)
{
    if (guest.memory_mib == 0)
    {
        refuse("memory must be at least 1 MiB", "set memory = N, in MiB");
    }
    if (guest.max_memory_mib == 0)
    {
        guest.max_memory_mib = guest.memory_mib;
    }
    if (guest.max_memory_mib < guest.memory_mib)
    {
        refuse("maxmem (" + std::to_string(guest.max_memory_mib) + " MiB) is smaller than memory (" +
               std::to_string(guest.memory_mib) + " MiB)");
    }
    if (guest.max_memory_mib > kMaxMemoryMib)
    {
        refuse("a guest cannot have " + std::to_string(guest.max_memory_mib) + " MiB of memory",
               "memory is given in MiB; the limit is " + std::to_string(kMaxMemoryMib));
    }
}

void check_vcpus(GuestConfig& guest)
{
    if (guest.vcpus == 0)
    {
        refuse("vcpus must be at least 1");
    }
    guest.max_vcpus = std::max(guest.max_vcpus, guest.vcpus);
    if (guest.max_vcpus > kMaxVcpus)
    {
        refuse("a guest cannot have " + std::to_string(guest.max_vcpus) + " vCPUs",
               "the limit is " + std::to_string(kMaxVcpus));
    }
    if (guest.cpus_by_vcpu.size() > guest.max_vcpus)
    {
        refuse("cpus has sets for " + std::to_string(guest.cpus_by_vcpu.size()) + " vCPUs, the guest has " +
                   std::to_string(guest.max_vcpus),
               "give no more sets than vCPUs");
    }
}

void check_devices(GuestConfig const& guest)
{
    std::set<std::uint32_t> numbers;
    for (DiskConfig const& disk : guest.disks)
    {
        if (!numbers.insert(disk.number).second)
        {
            refuse("two disks are named '" + disk.device + "'", "give each disk a device name of its own");
        }
    }
    std::set<std::string> macs;
    for (NicConfig const& nic : guest.nics)
    {
        if (!nic.mac.empty() && !macs.insert(nic.mac).second)
        {
            refuse("two network interfaces have the address " + nic.mac);
        }
    }
}

/// Interfaces without a number take the lowest ones that are left, in their order.
void number_nics(GuestConfig& guest)
{
    std::set<std::uint32_t> taken;
    for (NicConfig const& nic : guest.nics)
    {
        if (nic.number && !taken.insert(*nic.number).second)
        {
            refuse("two network interfaces have the devid " + std::to_string(*nic.number));
        }
    }
    std::uint32_t next = 0;
    for (NicConfig& nic : guest.nics)
    {
        while (!nic.number)
        {
            if (taken.insert(next).second)
            {
                nic.number = next;
            }
            ++next;
        }
    }
    if (next > kMaxNicNumber + 1)
    {
        refuse("a guest cannot have " + std::to_string(guest.nics.size()) + " network interfaces");
    }
}

} // namespace

std::string to_string(EndAction action)
{
    for (auto const& [value, name] : kEndActions)
    {
        if (value == action)
        {
            return name;
        }
    }
    return "destroy";
}

std::optional<EndAction> parse_end_action(std::string const& text)
{
    for (auto const& [value, name] : kEndActions)
    {
        if (text == name)
        {
            return value;
        }
    }
    return std::nullopt;
}

void complete_and_check(GuestConfig& guest)
{
    check_name(guest.name);
    if (guest.kernel.empty())
    {
        refuse("the configuration names no kernel", "add kernel = \"/path/to/vmlinuz\"");
    }
    check_memory(guest);
    check_vcpus(guest);
    if (guest.command_line.size() > kMaxCommandLine)
    {
        refuse("the kernel's command line has " + std::to_string(guest.command_line.size()) + " characters",
               "at most " + std::to_string(kMaxCommandLine) + " fit");
    }
    check_devices(guest);
    number_nics(guest);
}

} // namespace vm
