// SPDX-License-Identifier: MIT
// Reuse of frames: nobody gets a frame while a CPU may still hold its former owner's translations.
#include <guest.hpp>
#include <hypercall.hpp>
#include <machine_test.hpp>

#include <core/domain/range_set.hpp>
#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/buddy.hpp>
#include <core/mm/tlb_clock.hpp>

#include <algorithm>
#include <array>

namespace hv
{
namespace
{

using host::Guest;

class Reuse : public host::MachineTest
{
};

TEST_F(Reuse, AWrittenPageThatBecomesATableIsFlushedFirst)
{
    Guest guest(domain());
    Mfn const l1 = guest.page();
    ASSERT_TRUE(get_writable(l1, guest.domain().id()));
    for (unsigned cpu = 0; cpu < host::kCpus; ++cpu)
        note_full_flush(CpuId{cpu});
    put_writable(l1);
    std::uint64_t before = host::flushes().calls;
    ASSERT_EQ(guest.pin(l1, 1), 0);
    EXPECT_EQ(host::flushes().calls, before + 1);
    EXPECT_EQ(host::flushes().last_kind, port::Flush::All);
    for (unsigned cpu = 0; cpu < host::kCpus; ++cpu)
        EXPECT_TRUE(host::flushes().last_targets.test(CpuId{cpu}));
    ASSERT_EQ(guest.unpin(l1), 0);
    before = host::flushes().calls;
    ASSERT_TRUE(get_writable(l1, guest.domain().id())) << "and the other way round";
    EXPECT_EQ(host::flushes().calls, before + 1);
    put_writable(l1);
    for (unsigned cpu = 0; cpu < host::kCpus; ++cpu)
        note_full_flush(CpuId{cpu});
    before = host::flushes().calls;
    ASSERT_EQ(guest.pin(l1, 1), 0);
    EXPECT_EQ(host::flushes().calls, before) << "all CPUs have flushed since: no need";
}

TEST_F(Reuse, AListOfFlushesLetsGoAfterSome)
{
    // Each pair of a page's turn into a table and back makes all CPUs flush, and a list of them cost hardly any budget.
    Guest guest(domain());
    Mfn const l1 = guest.page();
    auto& list = *host::guest_new<std::array<abi::mmuext_op, 96>>();
    constexpr std::uint32_t kKinds[] = {MMUEXT_PIN_L1_TABLE, MMUEXT_UNPIN_TABLE, MMUEXT_CLEAR_PAGE};
    for (unsigned i = 0; i < 96; ++i)
    {
        list[i].cmd = kKinds[i % 3];
        list[i].arg1.mfn = l1.raw();
    }
    std::uint32_t const before = host::flushes().remote;
    HypercallArgs args{{host::guest_address(&list), 96, 0, DOMID_SELF, 0, 0}};
    EXPECT_EQ(dispatch_hypercall(guest.vcpu(), __HYPERVISOR_mmuext_op, args).error(), Errno::Restart);
    EXPECT_LE(host::flushes().remote - before, 18u);
    CallResult result = Errno::Restart;
    for (unsigned round = 0; round < 20 && !result; ++round)
        result = dispatch_hypercall(guest.vcpu(), __HYPERVISOR_mmuext_op, args);
    EXPECT_TRUE(result);
    EXPECT_GE(host::flushes().remote - before, 60u) << "and all of it is done in the end";
}

TEST_F(Reuse, AMergedBlockRemembersTheLaterFree)
{
    // Two neighbours freed more than 32768 flushes apart: the stamps' difference alone once took the older for the newer,
    // and the block was given out without a flush.
    Mfn const block = allocate_frames(3);
    std::uint64_t const ownership = frame_info(block)->ownership;
    std::uint64_t const early = tlb_stamp_now();
    for (unsigned i = 0; i < 40000; ++i)
        note_full_flush(CpuId{1});
    std::uint64_t const late = tlb_stamp_now();
    for (bool const early_first : {true, false})
    {
        Buddy buddy;
        for (unsigned i = 0; i < 2; ++i)
        {
            frame_info(block + i)->usage = (i == 0) == early_first ? early : late;
            Guard guard(buddy.lock);
            buddy.give(block + i, 0);
        }
        Guard guard(buddy.lock);
        ASSERT_EQ(buddy.take(1, 64), block);
        EXPECT_EQ(tlb_stamp_of(frame_info(block)->usage), tlb_stamp_of(late)) << early_first;
    }
    for (unsigned i = 0; i < 2; ++i)
        frame_info(block + i)->ownership = ownership;
    free_frames(block, 3);
}

TEST_F(Reuse, AFlushWhileFramesAreTakenBackIsTooEarlyForThem)
{
    // CPU 1 flushed after the time that the frames were stamped with was taken, and before the last of them was out of its
    // reach: it counted as clean, and the next owner's frames were in its TLB.
    static constexpr CpuId kFlushing{1};
    Guest guest(domain());
    Guest next(domain());
    Mfn frames[12];
    for (Mfn& frame : frames)
        frame = guest.page();
    host::set_m2p_hook([] {
        host::set_m2p_hook(nullptr);
        note_full_flush(kFlushing);
    });
    EXPECT_EQ(free_unshared_frames(guest.domain(), 12), 12u);
    bool flushed = false;
    for (Mfn given{}; std::find(std::begin(frames), std::end(frames), given) == std::end(frames);)
    {
        host::flushes().last_targets = CpuMask{};
        given = next.page();
        flushed = flushed || host::flushes().last_targets.test(kFlushing);
    }
    EXPECT_TRUE(flushed);
}

// populate_physmap cannot write the numbers of its last frames and withdraws them. Meanwhile another vCPU, which guessed one,
// gave it back and had the grant table grow: the frame belongs to that now, and taking its reference would free it under it.
TEST_F(Reuse, AWithdrawnFrameThatBecameAGrantFrameStays)
{
    Domain& guest = domain();
    (void)host::guest_page(guest);
    (void)guest.grants->grow(1);
    std::uint32_t const had = guest.grants->frame_count();
    DomainExtents run = allocate_domain_extents(guest, 0, 64, 8).value();
    while (run.count < 4)
        run = allocate_domain_extents(guest, 0, 64, 8).value();
    std::uint32_t const pages = guest.pages.count;
    Mfn const last = run.first + (run.count - 1);

    ASSERT_TRUE(release_domain_frame(guest, last, true));
    ASSERT_TRUE(static_cast<bool>(guest.grants->grow(had + 1)));
    Mfn const shared = guest.grants->shared_frame(had).value();
    ASSERT_EQ(shared, last);

    withdraw_domain_extents(guest, run, 0, 2);
    EXPECT_EQ(frame_info(shared)->owner(), guest.id());
    EXPECT_EQ(frame_info(shared)->count(), 1u);
    EXPECT_EQ(guest.pages.count, pages - (run.count - 2));
}

TEST_F(Reuse, AFrameThatWasMappedUncachedIsWrittenBackBeforeItIsATable)
{
    // XSA-402: stores through a write-combining mapping bypass the caches, so a check of the contents could see lines that
    // the MMU does not.
    Guest guest(domain());
    guest.domain().io_memory = heap_new<RangeSet>(); // only such domains may choose cache modes
    auto const space = guest.space({guest.page()});
    guest.run_on(space);
    Mfn const page = guest.page();
    Mfn const plain = guest.page();
    ASSERT_EQ(guest.set_entry(space.l1, 9, pte::make(page, host::kReadWrite | pte::kWriteThrough)), 0);
    ASSERT_EQ(guest.set_entry(space.l1, 9, 0), 0);
    host::flushes().last_written_back = kInvalidMfn;
    ASSERT_EQ(guest.pin(plain, 1), 0);
    EXPECT_EQ(host::flushes().last_written_back, kInvalidMfn);
    ASSERT_EQ(guest.pin(page, 1), 0);
    EXPECT_EQ(host::flushes().last_written_back, page);
    ASSERT_EQ(guest.unpin(page), 0);
    host::flushes().last_written_back = kInvalidMfn;
    {
        Guard guard(guest.domain().mmu_lock);
        ASSERT_TRUE(get_descriptor_page(guest.domain(), page));
        put_descriptor_page(page);
    }
    EXPECT_EQ(host::flushes().last_written_back, page) << "a descriptor table as well";
}

} // namespace
} // namespace hv
