// SPDX-License-Identifier: MIT
// Implements the event loop.
#include "transport/event_loop.hpp"

#include <cerrno>
#include <system_error>
#include <unistd.h>

namespace tessera::store
{

FileDescriptor::~FileDescriptor()
{
    if (fd_ >= 0)
    {
        ::close(fd_);
    }
}

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC))
{
    if (!epoll_.valid())
    {
        throw std::system_error(errno, std::generic_category(), "cannot create an epoll descriptor");
    }
}

void EventLoop::add(int fd, std::uint32_t events, Pollable& pollable)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = &pollable;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    {
        throw std::system_error(errno, std::generic_category(), "cannot wait for a descriptor");
    }
}

void EventLoop::change(int fd, std::uint32_t events, Pollable& pollable)
{
    epoll_event event{};
    event.events = events;
    event.data.ptr = &pollable;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::remove(int fd, Pollable& pollable)
{
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    for (int i = 0; i < ready_count_; ++i)
    {
        if (ready_[i].data.ptr == &pollable)
        {
            ready_[i].data.ptr = nullptr;
        }
    }
}

void EventLoop::run_once(int timeout_milliseconds)
{
    ready_count_ = ::epoll_wait(epoll_.get(), ready_, kBatch, timeout_milliseconds);
    for (int i = 0; i < ready_count_; ++i)
    {
        if (ready_[i].data.ptr != nullptr)
        {
            static_cast<Pollable*>(ready_[i].data.ptr)->on_ready(ready_[i].events);
        }
    }
    ready_count_ = 0;
}

} // namespace tessera::store
