// SPDX-License-Identifier: MIT
// Implements the file of ring positions.
#include "journal/ring_cells.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tessera::store
{

RingCells::~RingCells()
{
    if (cells_ != nullptr)
    {
        ::munmap(cells_, kSize);
    }
    if (file_ >= 0)
    {
        ::close(file_);
    }
}

int RingCells::open(std::string const& path)
{
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0 || ::ftruncate(file_, static_cast<off_t>(kSize)) != 0)
    {
        return errno;
    }
    void* const base = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (base == MAP_FAILED)
    {
        return errno;
    }
    cells_ = static_cast<std::uint64_t*>(base);
    return 0;
}

int RingCells::prepare(std::uint16_t domain)
{
    return ::posix_fallocate(file_, static_cast<off_t>(domain * sizeof(std::uint64_t)), sizeof(std::uint64_t));
}

RingPosition RingCells::load(std::uint16_t domain) const
{
    std::uint64_t const word = std::atomic_ref<std::uint64_t>(cells_[domain]).load(std::memory_order_acquire);
    return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)};
}

void RingCells::store(std::uint16_t domain, RingPosition const& position)
{
    std::uint64_t const word = position.request_consumer | std::uint64_t{position.response_producer} << 32;
    std::atomic_ref<std::uint64_t>(cells_[domain]).store(word, std::memory_order_release);
}

} // namespace tessera::store
