// SPDX-License-Identifier: MIT
// The machine that the hypercall fuzzer plays on: a control domain and two guests, each with a pool of frames in which
// page tables, descriptor tables and plain pages come and go.
#pragma once

#include <guest.hpp>

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <memory>
#include <vector>

namespace hv::fuzz
{

inline constexpr unsigned kPlayers = 3; // 0 is the control domain
inline constexpr unsigned kPoolFrames = 14;

struct Player
{
    explicit Player(Domain& made) : domain(made), guest(made) {}

    Domain& domain; // held by make_domain()'s reference
    host::Guest guest;
    std::array<Mfn, kPoolFrames> pool{};
    std::uint64_t shared_grants = 0; // frame number of the grant table's first frame

    [[nodiscard]] bool may_call() const { return domain.life < Life::Dying; }
};

class World
{
public:
    World();
    ~World(); // ends all domains; every frame must come back
    World(World const&) = delete;

    [[nodiscard]] Player& player(unsigned index) { return *players_[index % kPlayers]; }

    // ---- choices by the input
    Player& some_player(FuzzedDataProvider& input) { return player(input.ConsumeIntegral<std::uint8_t>()); }
    Mfn some_frame(FuzzedDataProvider& input, Player const& mostly); // often of `mostly`, sometimes anything at all
    unsigned some_index(FuzzedDataProvider& input);
    std::uint64_t some_entry(FuzzedDataProvider& input, Player const& mostly);
    std::uint64_t some_address(FuzzedDataProvider& input); // guest virtual, mostly where pools have tables
    std::uint32_t some_foreign(FuzzedDataProvider& input);

private:
    std::vector<std::unique_ptr<Player>> players_;
    std::uint64_t free_before_;
};

// One step of the play. Always leaves the machine between hypercalls.
void play_step(World& world, FuzzedDataProvider& input);

} // namespace hv::fuzz
