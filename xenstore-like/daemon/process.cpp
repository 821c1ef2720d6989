// SPDX-License-Identifier: MIT
// Implements detaching and readiness.
#include "daemon/process.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace tessera::store
{

FileDescriptor detach()
{
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
    {
        throw std::runtime_error(std::string("cannot create a pipe: ") + std::strerror(errno));
    }
    FileDescriptor reader(ends[0]);
    FileDescriptor writer(ends[1]);
    pid_t const child = ::fork();
    if (child < 0)
    {
        throw std::runtime_error(std::string("cannot fork: ") + std::strerror(errno));
    }
    if (child > 0)
    {
        writer = FileDescriptor();
        char ready = 0;
        ssize_t got;
        do
        {
            got = ::read(reader.get(), &ready, 1);
        } while (got < 0 && errno == EINTR);
        ::_exit(got == 1 ? 0 : 1);
    }
    ::setsid();
    return writer;
}

void allow_many_descriptors()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void announce_ready(FileDescriptor waiting_parent, std::string const& pid_file)
{
    if (!pid_file.empty())
    {
        std::string const temporary = pid_file + ".new";
        std::ofstream file(temporary);
        file << ::getpid() << '\n';
        file.close();
        if (!file || ::rename(temporary.c_str(), pid_file.c_str()) != 0)
        {
            throw std::runtime_error("cannot write the pid file " + pid_file + ": " + std::strerror(errno));
        }
    }
    if (waiting_parent.valid())
    {
        int const null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0)
        {
            ::dup2(null, STDIN_FILENO);
            ::dup2(null, STDOUT_FILENO);
            ::dup2(null, STDERR_FILENO);
            ::close(null);
        }
        char const ready = 1;
        [[maybe_unused]] ssize_t const told = ::write(waiting_parent.get(), &ready, 1);
    }
    notify_manager("READY=1");
}

void notify_manager(std::string_view message)
{
    char const* const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || std::strlen(path) >= sizeof address.sun_path)
    {
        return;
    }
    address.sun_family = AF_UNIX;
    std::size_t const length = std::strlen(path);
    std::memcpy(address.sun_path, path, length);
    if (address.sun_path[0] == '@')
    {
        address.sun_path[0] = '\0';
    }
    FileDescriptor const socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0)
    {
        return; // the manager waits in vain and says so
    }
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    ::sendto(socket.get(), message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr const*>(&address),
             size);
}

} // namespace tessera::store
