// SPDX-License-Identifier: MIT
// The clock of TLB flushes after years of them.
#include <machine_test.hpp>

// The source itself: only so can its clock be set forward. The library's copy is then not linked.
#include <core/mm/tlb_clock.cpp> // NOLINT(bugprone-suspicious-include)

#include <algorithm>
#include <iterator>

namespace hv
{
namespace
{

class TlbClock : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        clock_before_ = clock;
        std::copy(std::begin(flush_time), std::end(flush_time), times_before_);
    }
    void TearDown() override
    {
        clock = clock_before_;
        std::copy(std::begin(times_before_), std::end(times_before_), flush_time);
        MachineTest::TearDown();
    }
    // As if others had flushed that often. Not by that many calls: they take minutes.
    static void let_flushes_pass(std::uint64_t count) { clock = clock + count; }
    static std::uint16_t now() { return tlb_stamp_of(tlb_stamp_now()); }
    static CpuMask flushed_for(std::uint16_t stamp)
    {
        host::flushes().last_targets = CpuMask{};
        flush_if_stale(stamp);
        return host::flushes().last_targets;
    }
    static void flush_everywhere()
    {
        for (unsigned cpu = 0; cpu < host::kCpus; ++cpu)
            note_full_flush(CpuId{cpu});
    }

private:
    std::uint64_t clock_before_ = 0;
    std::uint64_t times_before_[kMaxCpus] = {};
};

constexpr std::uint64_t kEver[] = {1,          0xffff,    0x10000, 1ull << 31, (1ull << 31) + 1, (1ull << 32) - 1,
                                   1ull << 32, 1ull << 40};

TEST_F(TlbClock, ACpuThatHasNotFlushedSinceIsStaleHoweverLongAgoThatIs)
{
    // Two thousand million flushes after its last one, a CPU that idled all the while counted as clean: the difference of two
    // 32-bit times had changed its sign.
    for (std::uint64_t const flushes : kEver)
        for (std::uint64_t const since : {0, 1, 0x7fff, 0x8000, 0xfffe})
        {
            flush_everywhere();
            let_flushes_pass(flushes);
            std::uint16_t const freed = now();
            note_full_flush(CpuId{0});
            let_flushes_pass(since);
            EXPECT_EQ(flushed_for(freed), CpuMask{0b1110}) << flushes << ", " << since;
        }
}

TEST_F(TlbClock, ACpuThatHasFlushedSinceIsLeftAlone)
{
    for (std::uint64_t const flushes : kEver)
    {
        let_flushes_pass(flushes);
        std::uint16_t const freed = now();
        flush_everywhere();
        EXPECT_EQ(flushed_for(freed), CpuMask{}) << flushes;
    }
}

TEST_F(TlbClock, AStampThatIsMuchOlderCanOnlyCauseAFlushTooMany)
{
    flush_everywhere();
    std::uint16_t const freed = now();
    note_full_flush(CpuId{0});
    for (std::uint64_t const flushes : kEver)
    {
        let_flushes_pass(flushes);
        CpuMask const flushed = flushed_for(freed);
        EXPECT_EQ(CpuMask(flushed.bits() | 1), CpuMask{0b1111}) << flushes;
        for (unsigned cpu = 1; cpu < host::kCpus; ++cpu)
            flush_time[cpu] = 1; // as before
    }
}

TEST_F(TlbClock, AStampFromBeforeTheFirstFlushIsOlderThanAll)
{
    clock = 5;
    std::fill(std::begin(flush_time), std::end(flush_time), 3);
    flush_time[2] = 0; // has never flushed
    EXPECT_EQ(flushed_for(9), CpuMask{0b0100}) << "9 has not come yet: no frame was stamped";
    EXPECT_EQ(flushed_for(3), CpuMask{0b1011}) << "CPU 2 has flushed by now";
}

} // namespace
} // namespace hv
