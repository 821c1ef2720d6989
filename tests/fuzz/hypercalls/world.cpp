// SPDX-License-Identifier: MIT
// The machine that the hypercall fuzzer plays on.
#include "world.hpp"

#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>

#include <cstdio>
#include <cstdlib>

namespace hv::fuzz
{
namespace
{

constexpr std::uint64_t kSlabSlack = 24; // pages that the heap keeps in size classes

} // namespace

World::World() : free_before_(0)
{
    host::boot();
    host::use_cpu(host::kToolCpu);
    free_before_ = free_frames();
    for (unsigned index = 0; index < kPlayers; ++index)
    {
        players_.push_back(std::make_unique<Player>(host::make_domain(2, index == 0)));
        Player& made = *players_.back();
        made.domain.max_pages = 40;
        for (Mfn& frame : made.pool)
            frame = made.guest.page();
        made.shared_grants = grant_frame(made.domain, 0, 0).value().raw();
        auto const space = made.guest.space({made.pool[0], made.pool[1]});
        made.guest.run_on(space);
        made.pool[10] = space.l1;
        made.pool[11] = space.l2;
        made.pool[12] = space.l3;
        made.pool[13] = space.l4;
    }
}

World::~World()
{
    host::make_current(host::kToolCpu, nullptr);
    for (auto& one : players_)
        host::destroy(one->domain);
    host::settle();
    host::guest_release_all();
    (void)host::take_log();
    if (free_frames() + kSlabSlack < free_before_ || domain_count() != 0)
    {
        std::fprintf(stderr, "broken: %lu frames and %u domains are left over\n", free_before_ - free_frames(),
                     domain_count());
        std::abort();
    }
}

Mfn World::some_frame(FuzzedDataProvider& input, Player const& mostly)
{
    auto const choice = input.ConsumeIntegral<std::uint8_t>();
    if (choice < 200)
        return mostly.pool[choice % kPoolFrames];
    Player const& other = player(choice);
    switch (choice % 7)
    {
    case 0: return Mfn{host::kFrames + choice}; // device memory
    case 1: return mostly.domain.shared_info_frame;
    case 2: return Mfn{mostly.shared_grants};
    case 3: return Mfn{input.ConsumeIntegralInRange<std::uint64_t>(0, host::kFrames - 1)};
    default: return other.pool[choice % kPoolFrames];
    }
}

unsigned World::some_index(FuzzedDataProvider& input)
{
    static constexpr unsigned kIndices[] = {0, 1, 2, 3, 255, 256, 257, 271, 272, 300, 510, 511};
    return kIndices[input.ConsumeIntegral<std::uint8_t>() % std::size(kIndices)];
}

std::uint64_t World::some_entry(FuzzedDataProvider& input, Player const& mostly)
{
    using namespace pte;
    static constexpr std::uint64_t kOften[] = {host::kRead, host::kReadWrite, kPresent, kPresent | kWritable, 0};
    static constexpr std::uint64_t kRare[] = {kAccessed,     kDirty,       kGlobal, kSuperpage, kCacheDisable,
                                              kWriteThrough, kGuestKernel, kGrant,  kNoExecute, 1ull << 9};
    auto const choice = input.ConsumeIntegral<std::uint8_t>();
    std::uint64_t flags = kOften[choice % std::size(kOften)];
    if (choice >= 128)
        flags |= kRare[choice % std::size(kRare)];
    return make(some_frame(input, mostly), flags);
}

std::uint64_t World::some_address(FuzzedDataProvider& input)
{
    auto const choice = input.ConsumeIntegral<std::uint8_t>();
    if (choice == 255)
        return kHypervisorStart;
    if (choice == 254)
        return 1ull << 63;
    std::uint64_t const l4 = choice >= 240 ? some_index(input) : 0;
    std::uint64_t const l2 = choice >= 220 ? some_index(input) : 0;
    std::uint64_t const address = (l4 << 39) | (l2 << 21) | (some_index(input) << kPageShift);
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 16) >> 16);
}

std::uint32_t World::some_foreign(FuzzedDataProvider& input)
{
    auto const choice = input.ConsumeIntegral<std::uint8_t>();
    switch (choice % 8)
    {
    case 0: return DOMID_IO;
    case 1: return DOMID_XEN;
    case 2:
    case 3: return player(choice / 8).domain.id().raw();
    default: return DOMID_SELF;
    }
}

} // namespace hv::fuzz
