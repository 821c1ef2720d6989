// SPDX-License-Identifier: MIT
// Page tables: what is taken and given back when tables are validated, torn down, interrupted and refused.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <core/domain/range_set.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/deferred.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/frame_table.hpp>

namespace hv
{
namespace
{

using host::Guest;
using host::kRead;
using host::kReadWrite;

class PageTables : public host::MachineTest
{
protected:
    // get_table() as a caller that is restarted until it ends, with `units` of budget each time.
    static Result<void> get(Guest const& guest, Mfn frame, FrameType level, std::int32_t units, unsigned& rounds)
    {
        for (rounds = 1; rounds < 100000; ++rounds)
        {
            auto const taken = get_once(guest, frame, level, units);
            if (taken || taken.error() != Errno::Restart)
                return taken;
            EXPECT_INVARIANTS();
        }
        return Errno::Restart;
    }
    static Result<void> get_once(Guest const& guest, Mfn frame, FrameType level, std::int32_t units)
    {
        Budget budget(units);
        Guard guard(guest.domain().mmu_lock);
        HV_TRY_VOID(finish_deferred(guest.domain(), budget));
        HV_TRY_VOID(get_table(guest.domain(), frame, level, budget));
        fetch_or(frame_info(frame)->usage, FrameInfo::kPinned); // a holder that the oracle knows
        return {};
    }
    static void put(Guest const& guest, Mfn frame, FrameType level, std::int32_t units)
    {
        Budget budget(units);
        Guard guard(guest.domain().mmu_lock);
        fetch_and(frame_info(frame)->usage, ~FrameInfo::kPinned);
        (void)put_table(guest.domain(), frame, level, budget).error();
    }
    static unsigned finish(Guest const& guest, std::int32_t units)
    {
        for (unsigned rounds = 0; rounds < 100000; ++rounds)
        {
            {
                Budget budget(units);
                Guard guard(guest.domain().mmu_lock);
                if (finish_deferred(guest.domain(), budget))
                    return rounds;
            }
            EXPECT_INVARIANTS();
        }
        ADD_FAILURE() << "deferred teardown does not end";
        return 0;
    }
    static Result<void> update(Guest const& guest, Mfn table, unsigned index, std::uint64_t value,
                               UpdateKind kind = UpdateKind::Normal)
    {
        Budget budget = Budget::unlimited();
        Guard guard(guest.domain().mmu_lock);
        return update_entry({guest.domain(), guest.domain().id()}, table, frame_info(table)->type(), index, value, kind,
                            budget);
    }
    static Result<void> update_if(Guest const& guest, Mfn table, unsigned index, std::uint64_t expected,
                                  std::uint64_t value)
    {
        Guard guard(guest.domain().mmu_lock);
        return update_leaf_if({guest.domain(), guest.domain().id()}, table, index, expected, value);
    }
    // An L4 over two L3s, three L2s, and six L1s that map eight pages each; one L1 is linked twice.
    static Guest::Space bush(Guest const& guest)
    {
        Guest::Space top{guest.page(), kInvalidMfn, kInvalidMfn, kInvalidMfn};
        unsigned l1_number = 0;
        for (unsigned l3_index : {0u, 300u})
        {
            Mfn const l3 = guest.page();
            Guest::entry(top.l4, l3_index) = pte::make(l3, kReadWrite);
            for (unsigned l2_index = 0; l2_index < (l3_index == 0 ? 2u : 1u); ++l2_index)
            {
                Mfn const l2 = guest.page();
                Guest::entry(l3, l2_index * 511) = pte::make(l2, kReadWrite);
                for (unsigned l1_index = 0; l1_index < 2; ++l1_index, ++l1_number)
                {
                    Mfn const l1 = guest.page();
                    Guest::entry(l2, 100 + l1_index) = pte::make(l1, kReadWrite);
                    for (unsigned page = 0; page < 8; ++page)
                        Guest::entry(l1, page * 64 + l1_number) =
                            pte::make(guest.page(), page % 2 != 0 ? kRead : kReadWrite);
                    top.l1 = l1;
                }
                top.l2 = l2;
            }
            top.l3 = l3;
        }
        Guest::entry(top.l2, 400) = pte::make(top.l1, kReadWrite);
        return top;
    }
};

TEST_F(PageTables, PinTakesTheWholeTreeAndUnpinGivesItBack)
{
    Guest guest(domain());
    auto const space = bush(guest);
    EXPECT_EQ(guest.pin(space.l4, 4), 0);
    EXPECT_INVARIANTS();
    EXPECT_EQ(frame_info(space.l1)->type(), FrameType::L1);
    EXPECT_EQ(frame_info(space.l1)->type_count(), 2u);
    EXPECT_EQ(guest.pin(space.l4, 4), -EINVAL) << "pinned already";
    EXPECT_EQ(guest.pin(space.l1, 1), 0) << "a table in use can be pinned too";
    EXPECT_INVARIANTS();
    EXPECT_EQ(guest.unpin(space.l4), 0);
    EXPECT_INVARIANTS();
    EXPECT_EQ(frame_info(space.l1)->type_count(), 1u);
    EXPECT_EQ(guest.unpin(space.l4), -EINVAL);
    EXPECT_EQ(guest.unpin(space.l1), 0);
    EXPECT_EQ(frame_info(space.l1)->type_count(), 0u);
    EXPECT_EQ(frame_info(space.l1)->count(), 1u);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, ValidationAndTeardownCanStopAfterAnyEntry)
{
    Guest guest(domain());
    auto const space = bush(guest);
    for (std::int32_t units : {1, 2, 3, 5, 7, 11, 40})
    {
        unsigned rounds = 0;
        ASSERT_TRUE(get(guest, space.l4, FrameType::L4, units, rounds)) << units;
        EXPECT_GT(rounds, 1u) << "the budget was never used up";
        EXPECT_INVARIANTS();
        put(guest, space.l4, FrameType::L4, units);
        EXPECT_INVARIANTS();
        EXPECT_GE(finish(guest, units), units < 20 ? 1u : 0u);
        EXPECT_EQ(frame_info(space.l4)->type_count(), 0u);
        EXPECT_EQ(frame_info(space.l1)->count(), 1u);
        EXPECT_INVARIANTS();
    }
}

TEST_F(PageTables, ARefusedEntryUndoesEverythingAtEveryBudget)
{
    Guest guest(domain());
    Guest other(domain());
    auto const space = bush(guest);
    Mfn const foreign = other.page();
    for (std::uint64_t const bad :
         {pte::make(foreign, kReadWrite), pte::make(foreign, kRead), pte::make(space.l1, kReadWrite),
          pte::make(space.l3, kReadWrite), pte::make(Mfn{host::kFrames + 5}, kReadWrite),
          pte::make(space.l1, kRead | pte::kCacheDisable)})
    {
        Guest::entry(space.l1, 511) = bad;
        for (std::int32_t units : {1, 2, 4, 9, 100000})
        {
            unsigned rounds = 0;
            auto const taken = get(guest, space.l4, FrameType::L4, units, rounds);
            EXPECT_FALSE(taken);
            EXPECT_EQ(taken.error(), Errno::Inval);
            EXPECT_INVARIANTS();
            (void)finish(guest, units);
            EXPECT_EQ(frame_info(space.l4)->type_count(), 0u);
            EXPECT_EQ(frame_info(space.l2)->count(), 1u);
            EXPECT_INVARIANTS();
        }
    }
}

TEST_F(PageTables, AnInterruptedTeardownThatIsWantedAgainGoesOnUpwards)
{
    Guest guest(domain());
    auto const space = bush(guest);
    for (std::int32_t units = 1; units < 40; ++units)
    {
        unsigned rounds = 0;
        ASSERT_TRUE(get(guest, space.l4, FrameType::L4, 10000, rounds));
        put(guest, space.l4, FrameType::L4, units);
        EXPECT_INVARIANTS();
        ASSERT_TRUE(get(guest, space.l4, FrameType::L4, units, rounds)) << units;
        EXPECT_INVARIANTS();
        put(guest, space.l4, FrameType::L4, 10000);
        EXPECT_INVARIANTS();
    }
}

TEST_F(PageTables, APartialTableIsNeitherWritableNorAnotherTable)
{
    Guest guest(domain());
    auto const space = bush(guest);
    {
        Budget budget(3);
        Guard guard(guest.domain().mmu_lock);
        EXPECT_EQ(get_table(guest.domain(), space.l4, FrameType::L4, budget).error(), Errno::Restart);
        Budget more(100);
        EXPECT_EQ(get_table(guest.domain(), space.l4, FrameType::L3, more).error(), Errno::Busy);
        EXPECT_EQ(get_descriptor_page(guest.domain(), space.l4).error(), Errno::Busy);
    }
    EXPECT_EQ(get_writable(space.l4, guest.domain().id()).error(), Errno::Busy);
    EXPECT_EQ(guest.set_entry(space.l4, 0, 0), -EBUSY);
    EXPECT_INVARIANTS();
    // It stays partial when nobody comes back for it; the domain's end takes it apart (MachineTest counts the frames).
}

TEST_F(PageTables, WritableUseAndTableUseExcludeEachOther)
{
    Guest guest(domain());
    Mfn const l1 = guest.table({{0, guest.page()}});
    ASSERT_TRUE(get_writable(l1, guest.domain().id()));
    EXPECT_EQ(guest.pin(l1, 1), -EINVAL);
    put_writable(l1);
    EXPECT_EQ(guest.pin(l1, 1), 0);
    EXPECT_EQ(get_writable(l1, guest.domain().id()).error(), Errno::Busy);
    Mfn const own_mapping = guest.table({{0, l1}});
    EXPECT_EQ(guest.pin(own_mapping, 1), -EINVAL) << "maps a table writable";
    Guest::entry(own_mapping, 0) = pte::make(l1, kRead);
    EXPECT_EQ(guest.pin(own_mapping, 1), 0);
    EXPECT_EQ(guest.set_entry(own_mapping, 0, pte::make(l1, kReadWrite)), -EBUSY)
        << "XSA-182: no writable by flag change";
    EXPECT_INVARIANTS();
    EXPECT_EQ(guest.unpin(l1), 0);
    EXPECT_EQ(guest.set_entry(own_mapping, 0, pte::make(l1, kReadWrite)), 0) << "no table any more";
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, LinearTablesAndWrongLevelsAreRefused)
{
    Guest guest(domain());
    auto const space = guest.space({guest.page()});
    Guest::entry(space.l4, 511) = pte::make(space.l4, kRead);
    EXPECT_EQ(guest.pin(space.l4, 4), -EINVAL);
    EXPECT_INVARIANTS();
    Guest::entry(space.l4, 511) = 0;
    EXPECT_EQ(guest.pin(space.l4, 4), 0);
    EXPECT_EQ(guest.set_entry(space.l4, 511, pte::make(space.l4, kRead)), -EINVAL);
    EXPECT_EQ(guest.set_entry(space.l3, 5, pte::make(space.l3, kRead)), -EINVAL);
    EXPECT_EQ(guest.set_entry(space.l3, 5, pte::make(space.l1, kReadWrite)), -EINVAL);
    EXPECT_EQ(guest.pin(space.l1, 2), -EINVAL);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, FlagsOfTablesAndLeavesAreChecked)
{
    Guest guest(domain());
    Mfn const page = guest.page();
    auto const space = guest.space({page});
    ASSERT_EQ(guest.pin(space.l4, 4), 0);
    for (std::uint64_t const flag : {pte::kWriteThrough, pte::kCacheDisable, pte::kSuperpage, pte::kGlobal})
        EXPECT_EQ(guest.set_entry(space.l2, 0, pte::make(space.l1, kReadWrite) | flag), -EINVAL) << flag;
    for (std::uint64_t const flag : {pte::kWriteThrough, pte::kCacheDisable, pte::kPatLeaf})
        EXPECT_EQ(guest.set_entry(space.l1, 0, pte::make(page, kReadWrite) | flag), -EINVAL)
            << "no I/O rights: " << flag;
    EXPECT_EQ(guest.set_entry(space.l1, 0, pte::make(Mfn{host::kFrames + 1}, kRead)), -EPERM) << "device memory";
    EXPECT_EQ(guest.set_entry(space.l1, 0, pte::kAddress | kRead), -EINVAL) << "INVALID_MFN";
    EXPECT_EQ(guest.set_entry(space.l1, 7, 0xdeadbeef000 | 0x100), 0) << "entries that are not present are the guest's";
    EXPECT_EQ(Guest::entry(space.l1, 7), 0xdeadbeef100u);
    EXPECT_INVARIANTS();
    for (unsigned index : {256u, 257u, 271u})
        EXPECT_EQ(guest.set_entry(space.l4, index, 0), -EINVAL) << "our slots";
    EXPECT_EQ(guest.set_entry(space.l4, 272, 0), 0);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, PrivilegeBitsFollowWhatTheGuestAsksFor)
{
    Guest guest(domain());
    Mfn const page = guest.page();
    auto const space = guest.space({page});
    ASSERT_EQ(guest.pin(space.l4, 4), 0);
    EXPECT_EQ(Guest::entry(space.l1, 0), pte::make(page, kReadWrite | pte::kGlobal));
    ASSERT_TRUE(update(guest, space.l1, 0, pte::make(page, pte::kPresent | pte::kWritable | pte::kGlobal)));
    EXPECT_EQ(Guest::entry(space.l1, 0), pte::make(page, kReadWrite | pte::kGuestKernel))
        << "the kernel's is never global";
    EXPECT_EQ(frame_info(page)->type_count(), 1u) << "a change of flags takes nothing";
    EXPECT_EQ(frame_info(page)->count(), 2u);
    // What the guest read back it may write back.
    ASSERT_TRUE(update(guest, space.l1, 0, Guest::entry(space.l1, 0)));
    EXPECT_EQ(Guest::entry(space.l1, 0), pte::make(page, kReadWrite | pte::kGuestKernel));
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, UpdatesKeepAccessedAndDirtyOnlyWhenAsked)
{
    Guest guest(domain());
    Mfn const page = guest.page();
    auto const space = guest.space({page});
    ASSERT_EQ(guest.pin(space.l4, 4), 0);
    Guest::entry(space.l1, 0) |= pte::kAccessed | pte::kDirty; // as hardware does
    ASSERT_TRUE(update(guest, space.l1, 0, pte::make(page, kReadWrite), UpdateKind::PreserveAccessedDirty));
    EXPECT_EQ(Guest::entry(space.l1, 0) & (pte::kAccessed | pte::kDirty), pte::kAccessed | pte::kDirty);
    ASSERT_TRUE(update(guest, space.l1, 0, pte::make(page, kRead), UpdateKind::PreserveAccessedDirty));
    EXPECT_EQ(Guest::entry(space.l1, 0) & (pte::kAccessed | pte::kDirty), pte::kAccessed | pte::kDirty);
    ASSERT_TRUE(update(guest, space.l1, 0, pte::make(page, kRead)));
    EXPECT_EQ(Guest::entry(space.l1, 0) & (pte::kAccessed | pte::kDirty), 0u);
    EXPECT_EQ(frame_info(page)->type_count(), 0u);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, AConditionalUpdateLosesToWhoCameFirst)
{
    Guest guest(domain());
    Mfn const first = guest.page(), second = guest.page();
    auto const space = guest.space({first});
    ASSERT_EQ(guest.pin(space.l4, 4), 0);
    std::uint64_t const seen = Guest::entry(space.l1, 0);
    Guest::entry(space.l1, 0) |= pte::kDirty; // hardware, between the emulator's read and its store
    EXPECT_EQ(update_if(guest, space.l1, 0, seen, pte::make(second, kReadWrite)).error(), Errno::Again);
    EXPECT_EQ(update_if(guest, space.l1, 0, seen, seen & ~pte::kAccessed).error(), Errno::Again);
    EXPECT_INVARIANTS();
    EXPECT_TRUE(update_if(guest, space.l1, 0, seen | pte::kDirty, pte::make(second, kReadWrite)));
    EXPECT_EQ(frame_info(first)->count(), 1u);
    EXPECT_EQ(frame_info(second)->type_count(), 1u);
    EXPECT_TRUE(update_if(guest, space.l1, 1, 0, pte::make(first, kRead)));
    EXPECT_EQ(update_if(guest, space.l1, 2, 0, pte::make(space.l1, kReadWrite)).error(), Errno::Busy);
    EXPECT_INVARIANTS();
    EXPECT_TRUE(update_if(guest, space.l1, 0, Guest::entry(space.l1, 0), 0));
    EXPECT_EQ(frame_info(second)->count(), 1u);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, TheGrantMarkIsNotTheGuestsToSet)
{
    Guest guest(domain());
    Mfn const page = guest.page();
    auto const space = guest.space({page});
    ASSERT_EQ(guest.pin(space.l4, 4), 0);
    ASSERT_EQ(guest.set_entry(space.l1, 0, pte::make(page, kReadWrite) | pte::kGrant), 0);
    EXPECT_EQ(Guest::entry(space.l1, 0) & pte::kGrant, 0u);
    EXPECT_INVARIANTS();
    ASSERT_EQ(guest.set_entry(space.l1, 3, pte::make(page, kRead) | pte::kGrant), 0);
    EXPECT_EQ(Guest::entry(space.l1, 3) & pte::kGrant, 0u);
    EXPECT_INVARIANTS();
}

TEST_F(PageTables, AWalkWithoutALockLooksOnlyIntoFramesOfTheOwner)
{
    // A fault of ours is judged without mmu_lock, so the tables may turn into plain data while they are walked; a number
    // in them that is no frame once made the walk itself fault (gotcha 15).
    Guest guest(domain());
    Guest other(domain());
    auto const space = guest.space({guest.page()});
    Guest::entry(space.l1, 1) = pte::make(guest.page(), kRead);
    DomainId const id = guest.domain().id();
    EXPECT_TRUE(access_allowed_now(space.l4, id, 0, true));
    EXPECT_TRUE(access_allowed_now(space.l4, id, kPageSize, false));
    EXPECT_FALSE(access_allowed_now(space.l4, id, kPageSize, true));
    EXPECT_FALSE(access_allowed_now(space.l4, id, 2 * kPageSize, false));
    for (std::uint64_t const bad : {std::uint64_t{host::kFrames}, std::uint64_t{0xffffffffff}, other.page().raw()})
    {
        Guest::entry(space.l3, 0) = pte::make(Mfn{bad}, kReadWrite);
        EXPECT_FALSE(access_allowed_now(space.l4, id, 0, false)) << bad;
    }
    EXPECT_FALSE(access_allowed_now(kInvalidMfn, id, 0, false));
}

TEST_F(PageTables, RightsToDeviceMemoryDoNotReachWhatIsDenied)
{
    // The control domain may give a guest device memory, not our interrupt controllers.
    static bool const denied = [] {
        deny_device_frames(Mfn{0xfee00}, Mfn{0xfee01});
        return true;
    }();
    ASSERT_TRUE(denied);
    Guest guest(domain());
    guest.domain().io_memory = heap_new<RangeSet>();
    ASSERT_TRUE(guest.domain().io_memory->add(0xfed00, 0xfeeff));
    auto const space = guest.space({guest.page()});
    unsigned rounds = 0;
    ASSERT_TRUE(get(guest, space.l4, FrameType::L4, 1000, rounds));
    EXPECT_TRUE(update(guest, space.l1, 9, pte::make(Mfn{0xfed00}, kReadWrite)));
    EXPECT_EQ(update(guest, space.l1, 10, pte::make(Mfn{0xfee00}, kReadWrite)).error(), Errno::Perm);
    EXPECT_EQ(update(guest, space.l1, 10, pte::make(Mfn{0xfec00}, kReadWrite)).error(), Errno::Perm) << "not given";
    put(guest, space.l4, FrameType::L4, 1000);
}

} // namespace
} // namespace hv
