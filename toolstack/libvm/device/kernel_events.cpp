// SPDX-License-Identifier: MIT
// Kernel events (uevents) by netlink.
#include "device/kernel_events.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <linux/netlink.h>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr char kBus[] = "/sys/bus/xen-backend";

} // namespace

KernelEvents::KernelEvents()
    : socket_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT))
{
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1; // what the kernel itself sends
    if (!socket_ || ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    {
        throw system_error("cannot listen for device events", errno);
    }
}

/// A message starts with "ACTION@PATH" and a NUL; that line is all we need.
void KernelEvents::drain()
{
    char buffer[8192];
    for (;;)
    {
        ssize_t const count = ::recv(socket_.get(), buffer, sizeof buffer - 1, 0);
        if (count < 0)
        {
            lost_ = lost_ || errno == ENOBUFS;
            if (errno == ENOBUFS || errno == EINTR)
            {
                continue;
            }
            return;
        }
        buffer[count] = '\0';
        std::string_view const line(buffer);
        if (line.starts_with("remove@"))
        {
            removed_.insert(std::string(line.substr(line.rfind('/') + 1)));
        }
    }
}

bool KernelEvents::wait_until(std::chrono::milliseconds limit, std::function<bool()> const& done)
{
    using Clock = std::chrono::steady_clock;
    auto const deadline = Clock::now() + limit;
    for (;;)
    {
        drain();
        if (done())
        {
            return true;
        }
        auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0)
        {
            return false;
        }
        pollfd entry{socket_.get(), POLLIN, 0};
        ::poll(&entry, 1, static_cast<int>(left));
    }
}

void check_backend_driver(std::string const& kind)
{
    if (::access(kBus, F_OK) != 0)
    {
        throw Error(ExitCode::Unreachable, "the kernel of this domain has no back-end bus",
                    "is this the control domain, with /sys mounted?");
    }
    if (::access((std::string(kBus) + "/drivers/" + kind).c_str(), F_OK) != 0)
    {
        std::string const module = kind == "vbd" ? "xen-blkback" : "xen-netback";
        throw Error(ExitCode::Usage, "the kernel has no back end for " + kind + " devices",
                    "load it: modprobe " + module);
    }
}

std::string backend_device_name(std::string const& kind, std::uint32_t domain, std::uint32_t index)
{
    return kind + "-" + std::to_string(domain) + "-" + std::to_string(index);
}

bool backend_device_exists(std::string const& device)
{
    return ::access((std::string(kBus) + "/devices/" + device).c_str(), F_OK) == 0;
}

} // namespace vm
