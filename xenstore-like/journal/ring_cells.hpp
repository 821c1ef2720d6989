// SPDX-License-Identifier: MIT
// Keeps, for each domain, how far its ring was served; one eight-byte store is the instant at which a request counts
// as answered, so a daemon that is killed anywhere neither loses a request nor carries it out twice.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tessera::store
{

struct RingPosition
{
    std::uint32_t request_consumer = 0;  // end of the last request that was carried out
    std::uint32_t response_producer = 0; // end of what the domain was given

    bool operator==(RingPosition const&) const = default;
};

class RingCells
{
public:
    RingCells() = default;
    RingCells(RingCells const&) = delete;
    RingCells& operator=(RingCells const&) = delete;
    ~RingCells();

    // Maps the file, creating it (sparse) if it is not there. Returns 0 or an errno.
    int open(std::string const& path);

    [[nodiscard]] RingPosition load(std::uint16_t domain) const;

    // The pages of the file are allocated when a domain is introduced (prepare), so storing cannot fail.
    void store(std::uint16_t domain, RingPosition const& position);
    int prepare(std::uint16_t domain);

private:
    static constexpr std::size_t kSize = std::size_t{65536} * sizeof(std::uint64_t);

    int file_ = -1;
    std::uint64_t* cells_ = nullptr;
};

} // namespace tessera::store
