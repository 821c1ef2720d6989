// SPDX-License-Identifier: MIT
// Real threads as CPUs pass vCPUs among them. Twice in the past two CPUs that exchanged their vCPUs waited for each other
// for ever; and a state kept too long would let a vCPU go on with registers that are older than its last run.
#include "machine_test.hpp"

#include <core/domain/carried_vcpu.hpp>

#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

namespace hv
{
namespace
{

constexpr unsigned kTestCpus = 3;
constexpr unsigned kTestVcpus = 3;
constexpr unsigned kSwitches = 3'000;
constexpr auto kPatience = std::chrono::seconds(60);

struct TestCpu
{
    std::uint32_t id = 0;
    Vcpu* current = nullptr;
    Vcpu* loaded = nullptr;
    // What stands for the registers: whose they are, and after how many of its runs they were loaded.
    Vcpu* hardware = nullptr;
    std::uint64_t hardware_runs = 0;
    std::uint64_t kept = 0; // switches that found the state still there
};

class CarriedVcpuTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        Domain& owner = domain(kTestVcpus);
        for (unsigned i = 0; i < kTestVcpus; ++i)
            vcpus_[i] = owner.vcpus[i];
        for (unsigned i = 0; i < kTestCpus; ++i)
            cpus_[i].id = i;
    }

    void TearDown() override
    {
        for (Vcpu* vcpu : vcpus_)
            vcpu->loaded_cpu = kNotLoaded;
        MachineTest::TearDown();
    }

    bool waits_too_long()
    {
        if (std::chrono::steady_clock::now() > deadline_)
            stuck_ = true;
        std::this_thread::yield();
        return stuck_;
    }

    // ---- as the shootdown does it: one request at a time, served by whoever waits for anything
    void serve(TestCpu& cpu)
    {
        if ((waiting_for_.load() >> cpu.id & 1) == 0)
            return;
        let_go_if_idle(cpu, [&] {
            EXPECT_EQ(cpu.hardware, cpu.loaded);
            cpu.hardware = nullptr;
        });
        waiting_for_.fetch_and(~(1u << cpu.id));
    }

    void make_let_go(TestCpu& self, CpuId other)
    {
        while (request_lock_.exchange(true))
        {
            serve(self);
            if (waits_too_long())
                return;
        }
        waiting_for_ = 1u << other.raw();
        while (waiting_for_ != 0 && !waits_too_long())
        {
        }
        request_lock_ = false;
    }

    // ---- as the scheduler does it: a vCPU is chosen only while nobody runs it
    std::optional<unsigned> choose(std::mt19937& random)
    {
        std::lock_guard const guard(scheduler_);
        unsigned const wish = static_cast<unsigned>(random() % (kTestVcpus + 1));
        if (wish == kTestVcpus || running_[wish])
            return {};
        running_[wish] = true;
        return wish;
    }

    void saved(unsigned index)
    {
        std::lock_guard const guard(scheduler_);
        running_[index] = false;
    }

    void run(TestCpu& cpu, unsigned index)
    {
        Vcpu& vcpu = *vcpus_[index];
        cpu.current = &vcpu;
        if (runs_[index] % 4 == 0)
            std::this_thread::yield(); // others come in between
        if (carries(cpu, vcpu))
        {
            ++cpu.kept;
        }
        else
        {
            take_over(cpu, vcpu, [&](CpuId other) {
                make_let_go(cpu, other);
                EXPECT_EQ(load_acquire(vcpu.loaded_cpu), kNotLoaded) << "CPU " << other.raw() << " did not let go";
            });
            cpu.hardware = &vcpu;
            cpu.hardware_runs = runs_[index];
        }
        EXPECT_EQ(cpu.hardware, &vcpu);
        EXPECT_EQ(cpu.hardware_runs, runs_[index]) << "it goes on with what it was before it ran elsewhere";
        EXPECT_TRUE(carries(cpu, vcpu));
        serve(cpu); // whoever asks now gets nothing
        EXPECT_TRUE(carries(cpu, vcpu));
        cpu.hardware_runs = ++runs_[index];
    }

    void be_cpu(TestCpu& cpu)
    {
        std::mt19937 random(cpu.id + 1);
        start_.arrive_and_wait();
        std::optional<unsigned> previous;
        for (unsigned i = 0; i < kSwitches && !stuck_; ++i)
        {
            auto const next = choose(random);
            cpu.current = nullptr;
            if (previous)
                saved(*previous);
            if (next)
                run(cpu, *next);
            previous = next;
            serve(cpu);
        }
        cpu.current = nullptr;
        if (previous)
            saved(*previous);
        ++ended_;
        while (ended_ != kTestCpus && !waits_too_long()) // others may still want what is here
            serve(cpu);
    }

    Vcpu* vcpus_[kTestVcpus]{};
    std::uint64_t runs_[kTestVcpus]{}; // no atomics: only who runs a vCPU looks
    bool running_[kTestVcpus]{};
    std::mutex scheduler_;
    std::latch start_{kTestCpus};
    TestCpu cpus_[kTestCpus];
    std::atomic<bool> request_lock_ = false;
    std::atomic<std::uint32_t> waiting_for_ = 0;
    std::atomic<unsigned> ended_ = 0;
    std::atomic<bool> stuck_ = false;
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + kPatience;
};

TEST_F(CarriedVcpuTest, ThreadsPassVcpusAround)
{
    std::vector<std::thread> threads;
    for (TestCpu& cpu : cpus_)
        threads.emplace_back([this, &cpu] { be_cpu(cpu); });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_FALSE(stuck_) << "CPUs wait for each other";
    for (TestCpu const& cpu : cpus_)
    {
        EXPECT_GT(cpu.kept, 0u) << "CPU " << cpu.id << " never found a state that it had kept";
        for (Vcpu const* vcpu : vcpus_)
            EXPECT_EQ(cpu.loaded == vcpu, vcpu->loaded_cpu == cpu.id);
    }
}

// The interleaving itself: each has chosen what the other one still carries.
TEST_F(CarriedVcpuTest, TwoCpusExchangeTheirVcpus)
{
    TestCpu& one = cpus_[0];
    TestCpu& other = cpus_[1];
    run(one, 0);
    run(other, 1);
    one.current = other.current = nullptr;
    one.current = vcpus_[1];
    other.current = vcpus_[0];
    unsigned cleared = 0;
    take_over(one, *vcpus_[1], [&](CpuId asked) {
        EXPECT_EQ(asked, CpuId{1});
        // The other one, waiting for us in its turn, serves our request and we serve its.
        let_go_if_idle(other, [&] { ++cleared; });
        EXPECT_EQ(vcpus_[1]->loaded_cpu, kNotLoaded);
        take_over(other, *vcpus_[0], [&](CpuId back) {
            EXPECT_EQ(back, CpuId{0});
            let_go_if_idle(one, [&] { ++cleared; });
        });
    });
    EXPECT_EQ(cleared, 2u);
    EXPECT_TRUE(carries(one, *vcpus_[1]) && carries(other, *vcpus_[0]));
    one.current = other.current = nullptr;
}

TEST_F(CarriedVcpuTest, WhoRunsAVcpuKeepsIt)
{
    TestCpu& cpu = cpus_[0];
    run(cpu, 0);
    let_go_if_idle(cpu, [] { ADD_FAILURE() << "it runs"; });
    EXPECT_TRUE(carries(cpu, *vcpus_[0]));
    cpu.current = nullptr; // idle now, with the state still here
    EXPECT_TRUE(carries(cpu, *vcpus_[0]));
    bool cleared = false;
    let_go_if_idle(cpu, [&] {
        cleared = true;
        EXPECT_EQ(vcpus_[0]->loaded_cpu, 0u) << "others may not see it gone before it is";
    });
    EXPECT_TRUE(cleared);
    EXPECT_EQ(vcpus_[0]->loaded_cpu, kNotLoaded);
    let_go_if_idle(cpu, [] { ADD_FAILURE() << "there is nothing left"; });
}

} // namespace
} // namespace hv
