// SPDX-License-Identifier: MIT
// Range sets against a plain set of numbers, and at the ends of the number space.
#include <core/domain/range_set.hpp>

#include <machine.hpp>

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace hv
{
namespace
{

std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_of(RangeSet const& set)
{
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
    RangeSet::Range range{};
    std::uint64_t from = 0;
    while (set.next(from, range))
    {
        ranges.emplace_back(range.first, range.last);
        if (range.last == ~0ull)
            break;
        from = range.last + 1;
    }
    return ranges;
}

class RangeSets : public testing::Test
{
protected:
    static void SetUpTestSuite() { host::boot(); } // for the heap
};

TEST_F(RangeSets, NeighboursMerge)
{
    RangeSet set;
    EXPECT_TRUE(set.empty());
    ASSERT_TRUE(set.add(10, 19));
    ASSERT_TRUE(set.add(30, 39));
    EXPECT_EQ(ranges_of(set).size(), 2u);
    ASSERT_TRUE(set.add(20, 29));
    EXPECT_EQ(ranges_of(set), (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{10, 39}}));
    ASSERT_TRUE(set.remove(15, 15));
    EXPECT_EQ(ranges_of(set), (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{10, 14}, {16, 39}}));
    EXPECT_FALSE(set.contains(14, 16));
    EXPECT_TRUE(set.intersects(14, 16));
    EXPECT_FALSE(set.intersects(15, 15));
    EXPECT_EQ(set.add(5, 4).error(), Errno::Inval);
    EXPECT_EQ(set.remove(5, 4).error(), Errno::Inval);
}

TEST_F(RangeSets, EndsOfTheNumberSpace)
{
    RangeSet set;
    ASSERT_TRUE(set.add(0, ~0ull));
    EXPECT_TRUE(set.contains(0, ~0ull));
    ASSERT_TRUE(set.remove(5, ~0ull));
    ASSERT_TRUE(set.add(~0ull, ~0ull));
    EXPECT_EQ(ranges_of(set), (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 4}, {~0ull, ~0ull}}));
    ASSERT_TRUE(set.remove(0, 0));
    EXPECT_FALSE(set.contains(0));
    ASSERT_TRUE(set.remove(0, ~0ull));
    EXPECT_TRUE(set.empty());
}

TEST_F(RangeSets, AgreesWithAPlainSet)
{
    constexpr std::uint64_t kNumbers = 200;
    std::mt19937_64 random(7);
    for (unsigned trial = 0; trial < 20; ++trial)
    {
        RangeSet set;
        std::set<std::uint64_t> plain;
        for (unsigned step = 0; step < 200; ++step)
        {
            std::uint64_t const first = random() % kNumbers;
            std::uint64_t const last = std::min(kNumbers - 1, first + random() % 20);
            bool const adding = random() % 2 == 0;
            ASSERT_TRUE(adding ? set.add(first, last) : set.remove(first, last));
            for (std::uint64_t number = first; number <= last; ++number)
            {
                if (adding)
                    plain.insert(number);
                else
                    plain.erase(number);
            }
            std::uint64_t covered = 0;
            std::uint64_t previous_end = 0;
            bool first_range = true;
            for (auto const& [begin, end] : ranges_of(set))
            {
                ASSERT_LE(begin, end);
                ASSERT_TRUE(first_range || begin > previous_end + 1); // sorted, disjoint, merged
                for (std::uint64_t number = begin; number <= end; ++number, ++covered)
                    ASSERT_TRUE(plain.contains(number));
                previous_end = end;
                first_range = false;
            }
            ASSERT_EQ(covered, plain.size());
            ASSERT_EQ(set.contains(first, last), adding);
        }
    }
}

} // namespace
} // namespace hv
