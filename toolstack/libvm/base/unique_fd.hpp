// SPDX-License-Identifier: MIT
// Owns one file descriptor, so that no error path can leak it.
#pragma once

#include <unistd.h>
#include <utility>

namespace vm
{

class UniqueFd
{
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept
    {
        reset(other.release());
        return *this;
    }
    UniqueFd(UniqueFd const&) = delete;
    UniqueFd& operator=(UniqueFd const&) = delete;
    ~UniqueFd() { reset(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1)
    {
        int const old = std::exchange(fd_, fd);
        if (old >= 0)
        {
            ::close(old);
        }
    }

private:
    int fd_ = -1;
};

} // namespace vm
