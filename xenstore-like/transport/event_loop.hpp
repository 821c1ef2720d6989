// SPDX-License-Identifier: MIT
// Waits for descriptors with epoll and owns the file descriptors of this program.
#pragma once

#include <cstdint>
#include <sys/epoll.h>
#include <utility>

namespace tessera::store
{

// Closes its descriptor when it goes.
class FileDescriptor
{
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor other) noexcept
    {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor();

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

// Something that waits for a descriptor. It must be removed from the loop before it is destroyed; being removed
// during a callback of another one is safe.
class Pollable
{
public:
    virtual ~Pollable() = default;
    virtual void on_ready(std::uint32_t events) = 0;
};

class EventLoop
{
public:
    // Throws std::system_error when the kernel refuses.
    EventLoop();

    void add(int fd, std::uint32_t events, Pollable& pollable);
    void change(int fd, std::uint32_t events, Pollable& pollable);
    void remove(int fd, Pollable& pollable);

    // Waits at most `timeout_milliseconds` (-1: for ever) and calls those that are ready.
    void run_once(int timeout_milliseconds);

private:
    static constexpr int kBatch = 64;

    FileDescriptor epoll_;
    epoll_event ready_[kBatch];
    int ready_count_ = 0;
};

} // namespace tessera::store
