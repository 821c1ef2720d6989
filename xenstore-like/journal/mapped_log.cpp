// SPDX-License-Identifier: MIT
// Implements the memory-mapped log.
#include "journal/mapped_log.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

constexpr char kMagic[8] = {'T', 'S', 'T', 'O', 'R', 'E', '0', '1'};

} // namespace

MappedLog::~MappedLog()
{
    if (base_ != nullptr)
    {
        ::munmap(base_, kMostSize);
    }
}

int MappedLog::create(std::string const& path)
{
    ::unlink(path.c_str());
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid())
    {
        return errno;
    }
    if (int const error = ::posix_fallocate(file.get(), 0, kStep); error != 0)
    {
        ::unlink(path.c_str());
        return error;
    }
    if (int const error = map(std::move(file), kStep); error != 0)
    {
        return error;
    }
    tail_ = sizeof(Header);
    Header const header{{}, tail_};
    std::memcpy(base_, &header, sizeof header);
    std::memcpy(base_, kMagic, sizeof kMagic);
    return 0;
}

int MappedLog::resume(std::string const& path)
{
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status{};
    if (!file.valid() || ::fstat(file.get(), &status) != 0)
    {
        return errno;
    }
    auto const size = static_cast<std::size_t>(status.st_size);
    Header header{};
    if (size > kMostSize || ::pread(file.get(), &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
        std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.committed < sizeof header ||
        header.committed > size)
    {
        return EINVAL;
    }
    int const error = map(std::move(file), size);
    tail_ = error == 0 ? header.committed : tail_;
    return error;
}

// Maps a file of which `allocated` bytes can be written without asking for more.
int MappedLog::map(FileDescriptor file, std::size_t allocated)
{
    void* const base = ::mmap(nullptr, kMostSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (base == MAP_FAILED)
    {
        return errno;
    }
    if (base_ != nullptr)
    {
        ::munmap(base_, kMostSize);
    }
    file_ = std::move(file);
    base_ = static_cast<char*>(base);
    capacity_ = allocated;
    dropped_ = 0;
    return 0;
}

int MappedLog::reserve(std::size_t bytes)
{
    if (tail_ + bytes <= capacity_)
    {
        return 0;
    }
    std::size_t const wanted = ((tail_ + bytes) / kStep + 1) * kStep;
    if (wanted > kMostSize)
    {
        return ENOSPC;
    }
    if (int const error =
            ::posix_fallocate(file_.get(), static_cast<off_t>(capacity_), static_cast<off_t>(wanted - capacity_));
        error != 0)
    {
        return error;
    }
    // What is committed is never looked at again by this process; the file keeps it.
    std::size_t const old = committed() / kStep * kStep;
    if (old > dropped_ && old > kStep)
    {
        ::madvise(base_ + kStep, old - kStep, MADV_DONTNEED);
        dropped_ = old;
    }
    capacity_ = wanted;
    return 0;
}

void MappedLog::append(std::string_view bytes)
{
    std::memcpy(base_ + tail_, bytes.data(), bytes.size());
    tail_ += bytes.size();
}

void MappedLog::commit()
{
    // Release: a reader that finds the new end finds the records before it. The reader is a later process.
    auto& word = reinterpret_cast<Header*>(base_)->committed;
    std::atomic_ref<std::uint64_t>(word).store(tail_, std::memory_order_release);
}

std::size_t MappedLog::committed() const
{
    return reinterpret_cast<Header const*>(base_)->committed;
}

int MappedLog::read(std::string const& path, std::string& out)
{
    out.clear();
    std::ifstream file(path, std::ios::binary);
    if (!file)
    {
        return ENOENT;
    }
    Header header{};
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    if (!file || std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.committed < sizeof header)
    {
        return EINVAL;
    }
    out.resize(header.committed - sizeof header);
    file.read(out.data(), static_cast<std::streamsize>(out.size()));
    return static_cast<std::size_t>(file.gcount()) == out.size() ? 0 : EINVAL;
}

} // namespace tessera::store
