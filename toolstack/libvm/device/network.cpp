// SPDX-License-Identifier: MIT
// Bridges by ioctl and link notifications by rtnetlink.
#include "device/network.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace vm
{
namespace
{

UniqueFd open_control_socket()
{
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd)
    {
        throw system_error("cannot open a socket", errno);
    }
    return fd;
}

ifreq request_for(std::string const& name)
{
    ifreq request = {};
    if (name.empty() || name.size() >= IFNAMSIZ)
    {
        throw Error(ExitCode::Usage, "'" + name + "' is not an interface name");
    }
    std::memcpy(request.ifr_name, name.c_str(), name.size() + 1);
    return request;
}

void control(UniqueFd const& socket, unsigned long command, ifreq& request, std::string const& what)
{
    if (::ioctl(socket.get(), command, &request) != 0)
    {
        throw system_error(what, errno);
    }
}

} // namespace

bool interface_exists(std::string const& name)
{
    return ::if_nametoindex(name.c_str()) != 0;
}

void check_bridge(std::string const& bridge)
{
    if (!interface_exists(bridge))
    {
        throw Error(ExitCode::Usage, "there is no bridge '" + bridge + "'",
                    "create it, or name another with bridge= in the vif");
    }
    if (::access(("/sys/class/net/" + bridge + "/bridge").c_str(), F_OK) != 0 && ::access("/sys/class/net", F_OK) == 0)
    {
        throw Error(ExitCode::Usage, "the interface '" + bridge + "' is not a bridge");
    }
}

InterfaceWatch::InterfaceWatch() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE))
{
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (!socket_ || ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    {
        throw system_error("cannot listen for network interfaces", errno);
    }
}

bool InterfaceWatch::wait_for(std::string const& name, std::chrono::milliseconds limit)
{
    using Clock = std::chrono::steady_clock;
    auto const deadline = Clock::now() + limit;
    while (!interface_exists(name))
    {
        auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0)
        {
            return false;
        }
        pollfd entry{socket_.get(), POLLIN, 0};
        ::poll(&entry, 1, static_cast<int>(left));
        char buffer[8192]; // what the messages say does not matter: the name is looked up again
        while (::recv(socket_.get(), buffer, sizeof buffer, 0) > 0)
        {
        }
    }
    return true;
}

void plug_interface(std::string const& name, std::string const& new_name, std::string const& bridge, std::uint32_t mtu)
{
    UniqueFd const socket = open_control_socket();
    if (new_name != name)
    {
        ifreq request = request_for(name);
        ifreq const renamed = request_for(new_name);
        std::memcpy(request.ifr_newname, renamed.ifr_name, IFNAMSIZ);
        control(socket, SIOCSIFNAME, request, "cannot rename " + name + " to " + new_name);
    }
    if (!bridge.empty() && mtu == 0)
    {
        ifreq request = request_for(bridge);
        control(socket, SIOCGIFMTU, request, "cannot read the MTU of " + bridge);
        mtu = static_cast<std::uint32_t>(request.ifr_mtu);
    }
    if (mtu != 0)
    {
        ifreq request = request_for(new_name);
        request.ifr_mtu = static_cast<int>(mtu);
        control(socket, SIOCSIFMTU, request, "cannot set the MTU of " + new_name);
    }
    if (!bridge.empty())
    {
        ifreq request = request_for(bridge);
        request.ifr_ifindex = static_cast<int>(::if_nametoindex(new_name.c_str()));
        if (::ioctl(socket.get(), SIOCBRADDIF, &request) != 0 && errno != EBUSY)
        {
            throw system_error("cannot add " + new_name + " to the bridge " + bridge, errno);
        }
    }
    ifreq request = request_for(new_name);
    control(socket, SIOCGIFFLAGS, request, "cannot read the state of " + new_name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    control(socket, SIOCSIFFLAGS, request, "cannot bring up " + new_name);
}

} // namespace vm
