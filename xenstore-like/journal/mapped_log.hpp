// SPDX-License-Identifier: MIT
// An append-only file whose pages are written through memory: what is committed survives the process, and a commit
// is one eight-byte store, without a system call.
#pragma once

#include "transport/event_loop.hpp"

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::store
{

// The file lives on a tmpfs or any other file system: the kernel keeps the pages of a process that was killed.
// (A machine that loses power loses its guests too, so nothing is forced to a disk.)
class MappedLog
{
public:
    MappedLog() = default;
    MappedLog(MappedLog const&) = delete;
    MappedLog& operator=(MappedLog const&) = delete;
    ~MappedLog();

    // Creates an empty log at `path`, replacing what is there. Returns 0 or an errno.
    int create(std::string const& path);

    // Goes on with the log that is at `path`, behind what is committed. Returns 0 or an errno (EINVAL: it is none).
    int resume(std::string const& path);

    // Makes room for `bytes` more. Returns 0 or an errno (ENOSPC: the file system is full); never fails later.
    int reserve(std::size_t bytes);

    // Appends within what was reserved. Not yet durable.
    void append(std::string_view bytes);

    // The same for `bytes` that the caller writes to the returned place; null if they were not reserved.
    char* extend(std::size_t bytes)
    {
        if (capacity_ - tail_ < bytes)
        {
            return nullptr;
        }
        tail_ += bytes;
        return base_ + tail_ - bytes;
    }

    // True if something was appended since the last commit.
    [[nodiscard]] bool uncommitted() const { return tail_ != committed(); }

    // Makes everything appended so far durable at once.
    void commit();

    // Forgets what was appended since the last commit.
    void roll_back() { tail_ = committed(); }

    [[nodiscard]] std::size_t size() const { return tail_; }

    // The committed contents of the log at `path`; empty if there is none. Returns 0 or an errno.
    static int read(std::string const& path, std::string& out);

private:
    struct Header
    {
        char magic[8];
        std::uint64_t committed;
    };
    static constexpr std::size_t kStep = std::size_t{256} * 1024;
    static constexpr std::size_t kMostSize = std::size_t{1} << 30; // address space, not memory

    [[nodiscard]] std::size_t committed() const;
    int map(FileDescriptor file, std::size_t allocated);

    FileDescriptor file_;
    char* base_ = nullptr;
    std::size_t capacity_ = 0; // bytes of the file that are allocated
    std::size_t tail_ = 0;
    std::size_t dropped_ = 0; // bytes at the start that this process no longer keeps mapped in memory
};

} // namespace tessera::store
