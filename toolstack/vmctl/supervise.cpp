// SPDX-License-Identifier: MIT
// vmctl supervise: the one process that watches over all guests; started by the host's init.
#include "base/file.hpp"
#include "supervise/supervisor.hpp"
#include "supervision.hpp"
#include "verb.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

namespace vmctl
{
namespace
{

/// Tells systemd, if it started us and asked to be told.
void notify_ready()
{
    char const* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address = {};
    if (!path || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof address.sun_path)
    {
        return;
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path, std::strlen(path));
    if (path[0] == '@')
    {
        address.sun_path[0] = '\0';
    }
    auto const length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    vm::UniqueFd const socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0)
    {
        return; // systemd waits in vain and says so
    }
    char const ready[] = "READY=1";
    ::sendto(socket.get(), ready, sizeof ready - 1, MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), length);
}

ExitCode run(Invocation const& invocation)
{
    vm::Host host;
    ::openlog("vmctl", LOG_PID, LOG_DAEMON);
    auto const log = [](std::string const& line) {
        std::fprintf(stderr, "vmctl supervise: %s\n", line.c_str());
        ::syslog(LOG_NOTICE, "%s", line.c_str());
    };
    vm::SupervisorOptions options;
    if (invocation.has("dump-directory"))
    {
        options.dump_directory = invocation.options.at("dump-directory");
    }
    vm::Supervisor supervisor(host, options, log);
    std::string const pidfile = invocation.has("pidfile") ? invocation.options.at("pidfile") : "";
    supervisor.run([&] {
        if (!pidfile.empty())
        {
            vm::replace_file(pidfile, std::to_string(::getpid()) + "\n");
        }
        notify_ready();
    });
    if (!pidfile.empty())
    {
        ::unlink(pidfile.c_str());
    }
    return ExitCode::Ok;
}

} // namespace

void warn_if_unsupervised(vm::Registry const& registry)
{
    if (!vm::Supervisor::is_running(registry))
    {
        std::fprintf(stderr, "vmctl: warning: no supervisor is running: nobody will notice when the guest ends "
                             "(start one with vmctl supervise)\n");
    }
}

Verb const kSupervise{"supervise",
                      "",
                      0,
                      0,
                      "Watch over all guests and do what their on_... keys ask for; stays in the foreground",
                      {{"pidfile", '\0', "FILE", "write the process id there when ready"},
                       {"dump-directory", '\0', "DIR", "where core dumps go (/var/lib/tessera/dump)"}},
                      run};

} // namespace vmctl
