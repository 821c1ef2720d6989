// SPDX-License-Identifier: MIT
// Interfaces of the control domain, in a network of their own.
#include "base/error.hpp"
#include "device/network.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr int kNotAllowed = 77;

int mtu_of(char const* name)
{
    UniqueFd const socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = {};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    return ::ioctl(socket.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : -1;
}

/// Runs `action` in a process with an empty network of its own; what it returns, or kNotAllowed.
int in_own_network(std::function<int()> const& action)
{
    pid_t const child = ::fork();
    if (child == 0)
    {
        if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        {
            ::_exit(kNotAllowed);
        }
        try
        {
            ::_exit(action());
        }
        catch (Error const&)
        {
            ::_exit(1);
        }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// An MTU was set for ports of bridges only; a routed interface kept 1500 whatever its configuration said.
TEST(Network, AnMtuCountsWithoutABridge)
{
    int const result = in_own_network([] {
        plug_interface("lo", "lo", "", 1400);
        return mtu_of("lo") == 1400 ? 0 : 2;
    });
    if (result == kNotAllowed)
    {
        GTEST_SKIP() << "no right to a network of its own";
    }
    EXPECT_EQ(result, 0);
}

TEST(Network, WithoutABridgeAndAnMtuTheInterfaceKeepsItsOwn)
{
    int const result = in_own_network([] {
        int const before = mtu_of("lo");
        plug_interface("lo", "lo", "", 0);
        return before > 0 && mtu_of("lo") == before ? 0 : 2;
    });
    if (result == kNotAllowed)
    {
        GTEST_SKIP() << "no right to a network of its own";
    }
    EXPECT_EQ(result, 0);
}

} // namespace
} // namespace vm
