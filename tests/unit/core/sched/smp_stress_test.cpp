// SPDX-License-Identifier: MIT
// Real threads as CPUs: events, blocking, pausing and moving at once. A lost wake-up stalls a pair of guests for ever; a
// vCPU that two CPUs run at once is caught by its mark.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace hv
{
namespace
{

constexpr unsigned kPairs = 6;
constexpr unsigned kHopsWanted = 3000;

// A guest that answers every event it gets with one to its peer.
struct Player
{
    Vcpu* vcpu = nullptr;
    EvtchnPort port{};
    std::atomic<int> on_cpu = -1;
    std::atomic<std::uint64_t> hops = 0;
};

class SmpStressTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        for (unsigned pair = 0; pair < kPairs; ++pair)
        {
            Player& a = players_[2 * pair];
            Player& b = players_[2 * pair + 1];
            Domain& first = domain(1);
            Domain& second = domain(1);
            a.vcpu = first.vcpus[0];
            b.vcpu = second.vcpus[0];
            a.port = first.events->alloc_unbound(second.id()).value();
            b.port = second.events->bind_interdomain(first, a.port).value(); // the first ball: pending at b
        }
    }

    Player& player_of(Vcpu const* vcpu)
    {
        for (Player& player : players_)
            if (player.vcpu == vcpu)
                return player;
        std::abort();
    }

    // What the guest does between two entries.
    void play(Player& player)
    {
        abi::vcpu_info& info = *player.vcpu->info;
        abi::shared_info& shared = *player.vcpu->domain().shared_info;
        __atomic_store_n(&info.evtchn_upcall_mask, 1, __ATOMIC_SEQ_CST);
        bool played = false;
        while (__atomic_exchange_n(&info.evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) != 0)
        {
            if (__atomic_exchange_n(&info.evtchn_pending_sel, 0ul, __ATOMIC_SEQ_CST) == 0)
                continue;
            std::uint64_t const bit = 1ull << player.port.raw();
            if ((__atomic_fetch_and(&shared.evtchn_pending[0], ~bit, __ATOMIC_SEQ_CST) & bit) == 0)
                continue;
            player.hops.fetch_add(1);
            played = true;
            EXPECT_TRUE(player.vcpu->domain().events->send(player.port));
        }
        __atomic_store_n(&info.evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
        if (!played)
            vcpu_block(*player.vcpu);
    }

    void run_cpu(unsigned number)
    {
        host::use_cpu(number);
        while (!stop_.load())
        {
            host::pass(number);
            Vcpu* const current = host::cpu(number).current;
            if (current == nullptr)
            {
                std::this_thread::yield();
                continue;
            }
            Player& player = player_of(current);
            if (int const other = player.on_cpu.exchange(static_cast<int>(number)); other != -1)
                ADD_FAILURE() << "on CPUs " << other << " and " << number;
            play(player);
            player.on_cpu.store(-1);
        }
    }

    // Tools that disturb the game: pauses, affinities, weights.
    void disturb(unsigned& seed)
    {
        seed = seed * 1664525 + 1013904223;
        Player& player = players_[(seed >> 8) % players_.size()];
        Domain& disturbed = player.vcpu->domain();
        switch ((seed >> 20) % 4)
        {
        case 0:
            domain_pause(disturbed);
            EXPECT_TRUE(domain_descheduled(disturbed));
            EXPECT_EQ(player.on_cpu.load(), -1);
            domain_unpause(disturbed);
            break;
        case 1:
        {
            CpuMask const mask{1 + (seed >> 24) % ((1u << host::kCpus) - 1)};
            EXPECT_TRUE(sched_set_affinity(*player.vcpu, &mask, nullptr));
            break;
        }
        case 2: EXPECT_TRUE(sched_set_weight(disturbed, 1 + (seed >> 16) % 1000)); break;
        default: EXPECT_TRUE(sched_set_cap(disturbed, (seed >> 24) % 2 != 0 ? 50 : 0)); break;
        }
    }

    std::uint64_t fewest_hops()
    {
        std::uint64_t fewest = ~0ull;
        for (Player const& player : players_)
            fewest = std::min(fewest, player.hops.load());
        return fewest;
    }

    std::array<Player, 2 * kPairs> players_;
    std::atomic<bool> stop_ = false;
};

TEST_F(SmpStressTest, NoWakeUpIsLostAndNoVcpuRunsTwice)
{
    host::set_threaded(true);
    for (Player& player : players_)
        host::start(player.vcpu->domain());
    std::array<std::thread, host::kCpus> cpus;
    for (unsigned number = 0; number < host::kCpus; ++number)
        cpus[number] = std::thread([this, number] { run_cpu(number); });
    host::use_cpu(host::kToolCpu);
    unsigned seed = 7;
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (fewest_hops() < kHopsWanted && std::chrono::steady_clock::now() < deadline)
    {
        host::advance(50'000);
        host::pass(host::kToolCpu);
        disturb(seed);
        std::this_thread::yield();
    }
    EXPECT_GE(fewest_hops(), kHopsWanted) << "a pair of guests stalled";
    stop_ = true;
    for (std::thread& cpu : cpus)
        cpu.join();
    host::set_threaded(false);
}

} // namespace
} // namespace hv
