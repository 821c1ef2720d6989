// SPDX-License-Identifier: MIT
// The fixture of tests on the simulated machine: whatever a test made must be gone when it ends.
#pragma once

#include "machine.hpp"

#include <core/mm/allocator.hpp>
#include <core/sched/scheduler.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace hv::host
{

class MachineTest : public testing::Test
{
protected:
    void SetUp() override
    {
        boot();
        use_cpu(kToolCpu);
        // The heap keeps slab pages it has once taken: let it take them before the count starts.
        destroy(make_domain(2));
        settle();
        free_before_ = free_frames();
    }

    void TearDown() override
    {
        use_cpu(kToolCpu);
        for (Domain* domain : domains_)
            destroy(*domain);
        domains_.clear();
        settle();
        for (unsigned number = 0; number < kCpus; ++number)
        {
            EXPECT_EQ(cpu(number).current, nullptr) << "CPU " << number << " still runs a vCPU";
            EXPECT_EQ(sched_cpu_counts(CpuId{number}).runnable, 0u) << "CPU " << number << " still has work";
        }
        EXPECT_GE(free_frames() + kSlabSlack, free_before_) << "frames were lost";
        guest_release_all();
        (void)take_log();
        set_stable_tsc(true);
        set_m2p_hook(nullptr);
    }

    Domain& domain(unsigned vcpus = 1, bool control = false)
    {
        domains_.push_back(&make_domain(vcpus, control));
        return *domains_.back();
    }

    Domain& running_domain(unsigned vcpus = 1, bool control = false)
    {
        Domain& made = domain(vcpus, control);
        start(made);
        settle();
        return made;
    }

    // Destroys it before the end of the test.
    void end(Domain& ending)
    {
        std::erase(domains_, &ending);
        destroy(ending);
    }

    static constexpr std::uint64_t kSlabSlack = 24; // pages the heap may keep in new size classes

private:
    std::vector<Domain*> domains_;
    std::uint64_t free_before_ = 0;
};

} // namespace hv::host
