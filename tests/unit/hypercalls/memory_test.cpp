// SPDX-License-Identifier: MIT
// memory_op: adding, giving back and trading frames, with exact counts when it cannot be done in full.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <core/mm/claims.hpp>

#include <core/mm/exchange.hpp>

#include <array>

namespace hv
{
namespace
{

using host::Guest;
using host::kRead;
using host::kReadWrite;

class MemoryCalls : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = std::make_unique<Guest>(domain());
        guest_->between = [] { EXPECT_INVARIANTS(); };
    }
    void TearDown() override
    {
        guest_.reset();
        MachineTest::TearDown();
    }
    Guest& guest() { return *guest_; }

    template<std::size_t N>
    static abi::xen_memory_reservation reservation(std::array<std::uint64_t, N>* list, unsigned order = 0)
    {
        abi::xen_memory_reservation args{};
        args.extent_start.p = reinterpret_cast<decltype(args.extent_start.p)>(list->data());
        args.nr_extents = N;
        args.extent_order = order;
        args.domid = DOMID_SELF;
        return args;
    }
    template<std::size_t N>
    static std::array<std::uint64_t, N>* list_of(std::array<std::uint64_t, N> const& values)
    {
        return host::guest_new<std::array<std::uint64_t, N>>(values);
    }
    template<std::size_t In, std::size_t Out>
    static abi::xen_memory_exchange trade(std::array<std::uint64_t, In>* in, unsigned in_order,
                                          std::array<std::uint64_t, Out>* out, unsigned out_order)
    {
        abi::xen_memory_exchange args{};
        args.in = reservation(in, in_order);
        args.out = reservation(out, out_order);
        return args;
    }

    std::unique_ptr<Guest> guest_;
};

TEST_F(MemoryCalls, PopulateBeyondTheAllowanceGivesAShortCount)
{
    auto* const list = list_of<6>({100, 101, 102, 103, 104, 105});
    guest().domain().max_pages = guest().domain().pages.count + 4;
    auto args = reservation(list);
    EXPECT_EQ(guest().memory(XENMEM_populate_physmap, args), 4);
    EXPECT_EQ(port::m2p()[(*list)[3]], 103u);
    EXPECT_EQ((*list)[4], 104u) << "untouched";
    auto single = reservation(list_of<1>({200}));
    EXPECT_EQ(guest().memory(XENMEM_populate_physmap, single), 0) << "a count, not an error";
    guest().domain().max_pages = host::kFrames;
    auto large = reservation(list_of<1>({512}), 9);
    EXPECT_EQ(guest().memory(XENMEM_populate_physmap, large), 1);
    auto too_large = reservation(list_of<1>({512}), 10);
    EXPECT_EQ(guest().memory(XENMEM_populate_physmap, too_large), -EPERM);
}

TEST_F(MemoryCalls, ManyExtentsRestartAndCountAll)
{
    auto* const list = host::guest_new<std::array<std::uint64_t, 1000>>();
    for (unsigned i = 0; i < 1000; ++i)
        (*list)[i] = i;
    auto args = reservation(list);
    EXPECT_EQ(guest().memory(XENMEM_populate_physmap, args), 1000);
    EXPECT_GT(guest().restarts, 0u);
    EXPECT_EQ(guest().domain().pages.count, 1000u);
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, args), 1000);
    EXPECT_EQ(guest().domain().pages.count, 0u);
}

TEST_F(MemoryCalls, OnlyUnusedFramesOfItsOwnGoBack)
{
    Guest other(domain());
    Mfn const mapped = guest().page(), free = guest().page();
    ASSERT_EQ(guest().pin(guest().table({{0, mapped, kRead}}), 1), 0);
    auto args = reservation(list_of<3>({free.raw(), mapped.raw(), guest().page().raw()}));
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, args), 1) << "stops at the mapped one";
    auto again = reservation(list_of<1>({free.raw()}));
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, again), 0) << "gone already";
    auto foreign = reservation(list_of<1>({other.page().raw()}));
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, foreign), 0);
    auto shared = reservation(list_of<1>({guest().domain().shared_info_frame.raw()}));
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, shared), 0);
    auto nowhere = reservation(list_of<1>({~0ull}));
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, nowhere), 0);
    args.domid = other.id();
    EXPECT_EQ(guest().memory(XENMEM_decrease_reservation, args), -EPERM);
    args.domid = 4711;
    Guest control(domain(1, true));
    EXPECT_EQ(control.memory(XENMEM_decrease_reservation, args), -ESRCH);
}

TEST_F(MemoryCalls, AFrameGivenBackIsCleanWhenItsNextOwnerGetsIt)
{
    Mfn const frame = guest().page();
    Guest::entry(frame, 5) = 0x5ec3e7;
    auto args = reservation(list_of<1>({frame.raw()}));
    ASSERT_EQ(guest().memory(XENMEM_decrease_reservation, args), 1);
    Guest other(domain());
    for (unsigned tries = 0; tries < 64; ++tries)
        EXPECT_EQ(Guest::entry(other.page(), 5), 0u);
    EXPECT_INVARIANTS();
}

TEST_F(MemoryCalls, ExchangeMakesScatteredFramesContiguousAndLow)
{
    std::array<std::uint64_t, 4> scattered{};
    for (auto& frame : scattered)
        frame = guest().page().raw();
    auto* const in = list_of<4>({scattered[2], scattered[0], scattered[3], scattered[1]});
    auto* const out = list_of<1>({0x77});
    auto args = trade(in, 0, out, 2);
    args.out.mem_flags = XENMEMF_address_bits(25); // below 32 MiB
    EXPECT_EQ(guest().memory(XENMEM_exchange, args), 0);
    EXPECT_EQ(args.nr_exchanged, 4u);
    EXPECT_LE((*out)[0] + 3, (1ull << 25) >> kPageShift);
    for (unsigned i = 0; i < 4; ++i)
        EXPECT_EQ(port::m2p()[(*out)[0] + i], 0x77u + i);
    EXPECT_EQ(guest().domain().pages.count, 4u);
    // And back.
    auto* const pieces = list_of<4>({1, 2, 3, 4});
    auto back = trade(list_of<1>({(*out)[0]}), 2, pieces, 0);
    EXPECT_EQ(guest().memory(XENMEM_exchange, back), 0);
    EXPECT_EQ(back.nr_exchanged, 1u);
    EXPECT_EQ(port::m2p()[(*pieces)[3]], 4u);
}

TEST_F(MemoryCalls, AFailedExchangeChangesNothing)
{
    Guest other(domain());
    Mfn const a = guest().page(), b = guest().page(), mapped = guest().page();
    ASSERT_EQ(guest().pin(guest().table({{0, mapped, kRead}}), 1), 0);
    Guest::entry(a, 1) = 0xa;
    auto refused = [&](std::array<std::uint64_t, 2> frames, unsigned bits, std::int64_t error) {
        auto* const out = list_of<1>({0x77});
        auto args = trade(list_of<2>(frames), 0, out, 1);
        args.out.mem_flags = XENMEMF_address_bits(bits);
        EXPECT_EQ(guest().memory(XENMEM_exchange, args), error);
        EXPECT_EQ(args.nr_exchanged, 0u);
        EXPECT_EQ((*out)[0], 0x77u);
        EXPECT_EQ(frame_info(a)->owner(), guest().domain().id());
        EXPECT_EQ(Guest::entry(a, 1), 0xau);
    };
    refused({a.raw(), mapped.raw()}, 0, -EBUSY);
    refused({a.raw(), a.raw()}, 0, -EINVAL);
    refused({a.raw(), other.page().raw()}, 0, -EINVAL);
    refused({a.raw(), guest().domain().shared_info_frame.raw()}, 0, -EINVAL);
    refused({a.raw(), ~0ull}, 0, -EINVAL);
    refused({a.raw(), b.raw()}, 13, -ENOMEM);
    refused({a.raw(), b.raw()}, 1, -ENOMEM);
    EXPECT_EQ(guest().domain().pages.count, 4u);
}

TEST_F(MemoryCalls, AnOutputListThatCannotBeWrittenKeepsTheGuestsFrames)
{
    // The frames once were traded before the list was touched: a fault then lost them, and the guest's contents.
    Mfn const a = guest().page(), b = guest().page();
    auto args = trade(list_of<2>({a.raw(), b.raw()}), 0, list_of<1>({0}), 1);
    args.out.extent_start.p = reinterpret_cast<decltype(args.out.extent_start.p)>(0x1000ul);
    EXPECT_EQ(guest().memory(XENMEM_exchange, args), -EFAULT);
    EXPECT_EQ(args.nr_exchanged, 0u);
    EXPECT_EQ(frame_info(a)->owner(), guest().domain().id());
    EXPECT_EQ(frame_info(b)->owner(), guest().domain().id());
}

TEST_F(MemoryCalls, ExchangeArgumentsThatOverflowAreRefused)
{
    auto args = trade(list_of<2>({1, 2}), 0, list_of<1>({0}), 1);
    auto with = [&](auto change) {
        auto changed = args;
        change(changed);
        return guest().memory(XENMEM_exchange, changed);
    };
    EXPECT_EQ(with([](auto& a) { a.nr_exchanged = 3; }), -EINVAL);
    EXPECT_EQ(with([](auto& a) { a.nr_exchanged = 1; }), -EINVAL) << "not a whole group";
    EXPECT_EQ(with([](auto& a) {
                  a.in.nr_extents = 1ull << 63;
                  a.out.nr_extents = 1ull << 62;
              }),
              -EINVAL);
    EXPECT_EQ(with([](auto& a) { a.in.nr_extents = 3; }), -EINVAL);
    EXPECT_EQ(with([](auto& a) { a.out.extent_order = 40; }), -EPERM);
    EXPECT_EQ(with([](auto& a) { a.out.domid = 0; }), -EPERM);
    EXPECT_EQ(with([](auto& a) { a.nr_exchanged = 2; }), 0) << "all done";
}

TEST_F(MemoryCalls, WhatIsClaimedIsNotThereForOthers)
{
    Domain& built = domain();
    Domain& other = domain();
    built.max_pages = other.max_pages = host::kFrames;
    constexpr std::uint64_t kLeft = 40;
    std::uint64_t const wanted = free_frames() - kLeft;
    ASSERT_TRUE(claim_frames(built, built.pages.count + wanted));
    EXPECT_EQ(claimed_frames(), wanted);
    EXPECT_EQ(claim_frames(other, kLeft + 1).error(), Errno::NoMem) << "there is not so much that nobody has claimed";
    std::uint64_t got = 0;
    while (allocate_domain_frames(other, 0))
        ++got;
    EXPECT_EQ(got, kLeft);
    EXPECT_EQ(allocate_domain_frames(other, 3).error(), Errno::NoMem);
    ASSERT_TRUE(allocate_domain_frames(built, 4)) << "its own claim is for it";
    EXPECT_EQ(claimed_frames(), wanted - 16);
    built.max_pages = built.pages.count; // refused for another reason: the claim stays
    EXPECT_FALSE(allocate_domain_frames(built, 0));
    EXPECT_EQ(claimed_frames(), wanted - 16);
    end(built);
    EXPECT_EQ(claimed_frames(), 0u);
    EXPECT_TRUE(allocate_domain_frames(other, 0));
}

// A list of eight whose last three entries lie in a page of their own, at `second`.
class ListOverTwoPages : public MemoryCalls
{
protected:
    static constexpr unsigned kFirst = 5;
    static constexpr std::uint64_t kAddress = kPageSize - kFirst * sizeof(std::uint64_t);

    void SetUp() override
    {
        MemoryCalls::SetUp();
        for (Mfn& page : pages_)
            page = guest().page();
        space_ = guest().space({pages_[0], pages_[1]});
        guest().run_on(space_);
        host::make_current(host::kToolCpu, &guest().vcpu());
        for (unsigned i = 0; i < 8; ++i)
            *entry(i) = 100 + i;
        held_ = guest().domain().pages.count;
    }
    void TearDown() override
    {
        host::make_current(host::kToolCpu, nullptr);
        MemoryCalls::TearDown();
    }
    std::uint64_t* entry(unsigned i) const
    {
        std::uint64_t const address = kAddress + i * sizeof(std::uint64_t);
        return &table_entries(pages_[address / kPageSize])[address % kPageSize / sizeof(std::uint64_t)];
    }
    // Populates with the second page mapped as `flags` say.
    std::int64_t populate(std::uint64_t flags)
    {
        EXPECT_EQ(guest().set_entry(space_.l1, 1, flags == 0 ? 0 : pte::make(pages_[1], flags)), 0);
        abi::xen_memory_reservation args{};
        args.extent_start.p = reinterpret_cast<decltype(args.extent_start.p)>(kAddress);
        args.nr_extents = 8;
        args.domid = DOMID_SELF;
        return guest().memory(XENMEM_populate_physmap, args);
    }
    std::uint64_t added() { return guest().domain().pages.count - held_; }

    Mfn pages_[2];
    Guest::Space space_{};
    std::uint64_t held_ = 0;
};

TEST_F(ListOverTwoPages, PopulateStopsAtTheEntryThatCannotBeRead)
{
    EXPECT_EQ(populate(0), kFirst);
    EXPECT_EQ(added(), kFirst);
    for (unsigned i = 0; i < kFirst; ++i)
        EXPECT_EQ(port::m2p()[*entry(i)], 100 + i);
    EXPECT_EQ(*entry(kFirst), 100u + kFirst) << "untouched";
}

TEST_F(ListOverTwoPages, PopulateStopsAtTheEntryThatCannotBeWritten)
{
    ASSERT_TRUE(claim_frames(guest().domain(), held_ + 7));
    EXPECT_EQ(populate(kRead), kFirst);
    EXPECT_EQ(added(), kFirst + 1) << "the one that could not be told of is there, those behind it are not";
    EXPECT_EQ(guest().domain().claimed_pages, 7u - (kFirst + 1));
    EXPECT_EQ(claimed_frames(), 7u - (kFirst + 1));
    EXPECT_EQ(*entry(kFirst), 100u + kFirst) << "untouched";
    EXPECT_EQ(populate(kReadWrite), 8);
    EXPECT_EQ(added(), kFirst + 1 + 8);
    EXPECT_EQ(claimed_frames(), 0u);
}

TEST_F(MemoryCalls, RunsAreWhatSingleExtentsWouldBe)
{
    Domain& built = domain();
    built.max_pages = 21;
    ASSERT_TRUE(claim_frames(built, 9));
    std::uint64_t const before = free_frames();
    auto const some = allocate_domain_extents(built, 0, 64, 1000);
    ASSERT_TRUE(some);
    EXPECT_LE(some.value().count, 16u) << "the largest block that max_pages allow";
    EXPECT_EQ(built.pages.count, some.value().count);
    EXPECT_EQ(free_frames(), before - some.value().count);
    std::uint64_t done = some.value().count;
    while (auto const more = allocate_domain_extents(built, 0, 64, 1000))
        done += more.value().count;
    EXPECT_EQ(done, 21u);
    EXPECT_EQ(free_frames(), before - 21);
    EXPECT_EQ(claimed_frames(), 0u);
    built.max_pages = host::kFrames;
    auto const large = allocate_domain_extents(built, 9, 64, 1000);
    ASSERT_TRUE(large);
    EXPECT_EQ(large.value().count, 1u) << "a run has at most kRunFrames frames";
    EXPECT_EQ(large.value().first.raw() % 512, 0u);
    auto const eights = allocate_domain_extents(built, 3, 64, 1000);
    ASSERT_TRUE(eights);
    EXPECT_LE(eights.value().count, kRunFrames / 8);
    EXPECT_EQ(eights.value().first.raw() % 8, 0u);
    EXPECT_INVARIANTS();
}

} // namespace
} // namespace hv
