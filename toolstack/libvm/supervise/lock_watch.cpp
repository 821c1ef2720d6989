// SPDX-License-Identifier: MIT
// The events of inotify on the directory of lock files.
#include "supervise/lock_watch.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sys/inotify.h>
#include <unistd.h>

namespace vm
{

UniqueFd watch_locks(Registry const& registry)
{
    make_directories(registry.lock_directory());
    UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd || ::inotify_add_watch(fd.get(), registry.lock_directory().c_str(), IN_CLOSE_WRITE) < 0)
    {
        throw system_error("cannot watch the registry", errno);
    }
    return fd;
}

std::vector<DomainId> read_lock_events(UniqueFd const& fd, bool& all)
{
    std::vector<DomainId> domains;
    alignas(inotify_event) char buffer[4096];
    for (ssize_t size = 0; (size = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    {
        for (ssize_t offset = 0; offset < size;)
        {
            auto const* const event = reinterpret_cast<inotify_event const*>(buffer + offset);
            offset += static_cast<ssize_t>(sizeof *event + event->len);
            all = all || (event->mask & IN_Q_OVERFLOW) != 0;
            DomainId domain = 0;
            char const* const end = event->name + (event->len > 0 ? std::strlen(event->name) : 0);
            if (event->len > 0 && std::from_chars(event->name, end, domain).ptr == end)
            {
                domains.push_back(domain);
            }
            else
            {
                all = true; // a domain that was announced, by its identity
            }
        }
    }
    std::sort(domains.begin(), domains.end());
    domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
    return domains;
}

} // namespace vm
