// SPDX-License-Identifier: MIT
// multicall: results of each entry, restarts in the middle, its end by an iret, and how long it may take.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <algorithm>
#include <array>

namespace hv
{
namespace
{

using host::Guest;
using host::kReadWrite;

constexpr std::uint64_t kVersion = 0x00040011;

class Multicalls : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = std::make_unique<Guest>(domain());
        page_ = guest_->page();
        space_ = guest_->space({page_});
        guest_->run_on(space_);
        host::make_current(host::kToolCpu, &guest_->vcpu());
    }
    void TearDown() override
    {
        host::set_clock_step(0);
        host::make_current(host::kToolCpu, nullptr);
        MachineTest::TearDown();
        guest_.reset();
    }
    template<std::size_t N>
    using List = std::array<abi::multicall_entry, N>;
    template<std::size_t N>
    std::int64_t run(List<N>* list)
    {
        return guest_->call(__HYPERVISOR_multicall, host::guest_address(list), N);
    }
    static void ask_version(abi::multicall_entry& entry)
    {
        entry.op = __HYPERVISOR_xen_version;
        entry.args[0] = XENVER_version;
        entry.result = 0x5555;
    }

    std::unique_ptr<Guest> guest_;
    Mfn page_{};
    Guest::Space space_{};
};

TEST_F(Multicalls, EachEntryHasItsResultAndErrorsDoNotStopTheList)
{
    auto* const list = host::guest_new<List<4>>();
    ask_version((*list)[0]);
    (*list)[1].op = 63;
    (*list)[2].op = 1ull << 32 | __HYPERVISOR_xen_version; // not the number that its lower half is
    ask_version((*list)[3]);
    EXPECT_EQ(run(list), 0);
    EXPECT_EQ((*list)[0].result, kVersion);
    EXPECT_EQ(static_cast<std::int64_t>((*list)[1].result), -ENOSYS);
    EXPECT_EQ(static_cast<std::int64_t>((*list)[2].result), -ENOSYS);
    EXPECT_EQ((*list)[3].result, kVersion);
}

TEST_F(Multicalls, AnIretEndsTheList)
{
    auto* const list = host::guest_new<List<3>>();
    ask_version((*list)[0]);
    (*list)[1].op = __HYPERVISOR_iret;
    ask_version((*list)[2]);
    EXPECT_EQ(run(list), -static_cast<std::int64_t>(Errno::FrameReplaced)) << "rax is the frame's";
    EXPECT_EQ((*list)[0].result, kVersion);
    EXPECT_EQ((*list)[2].result, 0x5555u) << "it would have run for user mode (XSA-213)";
}

TEST_F(Multicalls, AnEntryThatRestartsGoesOnAndRunsOnce)
{
    constexpr unsigned kUpdates = 3000;
    auto* const updates = host::guest_new<std::array<abi::mmu_update, kUpdates>>();
    for (auto& one : *updates)
        one = {(space_.l1.raw() << kPageShift) + 8 * 9, pte::make(page_, kReadWrite)};
    auto* const done = host::guest_new<std::uint32_t>();
    auto* const list = host::guest_new<List<3>>();
    ask_version((*list)[0]);
    (*list)[1].op = __HYPERVISOR_mmu_update;
    (*list)[1].args[0] = host::guest_address(updates);
    (*list)[1].args[1] = kUpdates;
    (*list)[1].args[2] = host::guest_address(done);
    (*list)[1].args[3] = DOMID_SELF;
    ask_version((*list)[2]);
    EXPECT_EQ(run(list), 0);
    EXPECT_GE(guest_->restarts, 1u);
    EXPECT_EQ(*done, kUpdates);
    EXPECT_EQ((*list)[1].result, 0u);
    EXPECT_EQ((*list)[2].result, kVersion);
    EXPECT_INVARIANTS();
}

TEST_F(Multicalls, AListThatTakesLongLetsGoInBetween)
{
    // Every entry has a budget of its own: 200 heavy ones once ran to the end with interrupts off.
    auto* const list = host::guest_new<List<200>>();
    for (auto& entry : *list)
        ask_version(entry);
    EXPECT_EQ(run(list), 0);
    EXPECT_EQ(guest_->restarts, 0u) << "light entries are done in one go";
    for (auto& entry : *list)
        ask_version(entry);
    host::set_clock_step(400'000); // as if four entries took that long
    EXPECT_EQ(run(list), 0);
    host::set_clock_step(0);
    EXPECT_GE(guest_->restarts, 10u);
    for (auto const& entry : *list)
        EXPECT_EQ(entry.result, kVersion);
}

TEST_F(Multicalls, AListOfFlushesLetsGoAfterSome)
{
    // A page's turn into a table and back makes all CPUs flush twice, in no time on the simulated machine: neither the entries'
    // budgets nor the clock end the list.
    constexpr unsigned kTurns = 30;
    constexpr std::uint32_t kKinds[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_UNPIN_TABLE, MMUEXT_CLEAR_PAGE};
    auto* const operations = host::guest_new<std::array<abi::mmuext_op, 3>>();
    auto* const list = host::guest_new<List<3 * kTurns>>();
    Mfn const turning = guest_->page();
    for (unsigned i = 0; i < 3 * kTurns; ++i)
    {
        abi::mmuext_op& operation = (*operations)[i % 3];
        operation.cmd = kKinds[i % 3];
        operation.arg1.mfn = turning.raw();
        (*list)[i].op = __HYPERVISOR_mmuext_op;
        (*list)[i].args[0] = host::guest_address(&operation);
        (*list)[i].args[1] = 1;
        (*list)[i].args[3] = DOMID_SELF;
    }
    std::uint32_t last = host::flushes().remote;
    std::uint32_t const before = last;
    std::uint32_t most = 0;
    guest_->between = [&] {
        most = std::max(most, host::flushes().remote - last);
        last = host::flushes().remote;
    };
    EXPECT_EQ(run(list), 0);
    EXPECT_LE(most, 16u);
    EXPECT_GE(last - before, 2 * kTurns - 1) << "all of it is done in the end";
    for (auto const& entry : *list)
        EXPECT_EQ(entry.result, 0u) << "and nothing twice: a second pin of a page is refused";
}

TEST_F(Multicalls, BadListsAreFaults)
{
    EXPECT_EQ(guest_->call(__HYPERVISOR_multicall, 0x7000'0000'0000, 1), -EFAULT);
    EXPECT_EQ(guest_->call(__HYPERVISOR_multicall, 0x7000'0000'0000, 0), 0);
    auto* const list = host::guest_new<List<1>>();
    (*list)[0].op = __HYPERVISOR_multicall;
    EXPECT_EQ(run(list), -EINVAL) << "no lists in lists";
}

} // namespace
} // namespace hv
