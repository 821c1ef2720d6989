// SPDX-License-Identifier: MIT
// The console loses no byte to its readers, keeps guests' lines apart and sorts typed keys.
#include <core/console/console.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace hv
{
namespace
{

std::span<char const> bytes(std::string_view text)
{
    return {text.data(), text.size()};
}

std::string read(ConsoleRing const& ring, std::uint32_t& position, std::size_t most = 1000)
{
    std::string out(most, '?');
    out.resize(ring.read(position, out));
    return out;
}

TEST(ConsoleRing, ReadersContinueWhereTheyStopped)
{
    std::array<char, 16> memory{};
    ConsoleRing ring(memory);
    std::uint32_t position = 0;
    ring.write(bytes("one"));
    EXPECT_EQ(read(ring, position), "one");
    EXPECT_EQ(read(ring, position), "");
    ring.write(bytes("two"));
    EXPECT_EQ(read(ring, position, 2), "tw");
    EXPECT_EQ(read(ring, position), "o");
}

TEST(ConsoleRing, ReaderThatFellBehindGetsTheOldestByteHeld)
{
    std::array<char, 8> memory{};
    ConsoleRing ring(memory);
    std::uint32_t position = 0;
    ring.write(bytes("0123456789ab"));
    EXPECT_EQ(read(ring, position), "456789ab");
    EXPECT_EQ(position, ring.end());
}

TEST(ConsoleRing, ClearHidesWhatWasWritten)
{
    std::array<char, 8> memory{};
    ConsoleRing ring(memory);
    ring.write(bytes("secret"));
    ring.clear();
    std::uint32_t position = 0;
    EXPECT_EQ(read(ring, position), "");
    ring.write(bytes("new"));
    EXPECT_EQ(read(ring, position), "new");
}

TEST(ConsoleRing, PositionsFromTheFutureFallBackToTheOldestByte)
{
    std::array<char, 8> memory{};
    ConsoleRing ring(memory);
    ring.write(bytes("abc"));
    std::uint32_t position = 4000;
    EXPECT_EQ(read(ring, position), "abc");
}

TEST(ConsoleRing, MovingToMoreMemoryKeepsTheText)
{
    std::array<char, 8> small{};
    std::array<char, 64> large{};
    ConsoleRing ring(small);
    ring.write(bytes("0123456789"));
    ring.move_to(large);
    ring.write(bytes("abcdefgh"));
    std::uint32_t position = 0;
    EXPECT_EQ(read(ring, position), "23456789abcdefgh");
}

TEST(ConsoleInput, QueuesForTheControlDomainAndDropsWhatDoesNotFit)
{
    ConsoleInput input;
    for (std::size_t i = 0; i < ConsoleInput::kCapacity + 10; ++i)
        EXPECT_EQ(input.receive('x'), InputEvent::ForControlDomain);
    std::array<char, 500> out{};
    EXPECT_EQ(input.read(out), ConsoleInput::kCapacity);
    EXPECT_EQ(input.read(out), 0u);
}

TEST(ConsoleInput, ThreeSwitchKeysTurnTheKeysToTheHypervisorAndBack)
{
    ConsoleInput input;
    EXPECT_EQ(input.receive('\x01'), InputEvent::Nothing);
    EXPECT_EQ(input.receive('\x01'), InputEvent::Nothing);
    EXPECT_EQ(input.receive('\x01'), InputEvent::SwitchedToHypervisor);
    EXPECT_EQ(input.receive('q'), InputEvent::ForHypervisor);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(input.receive('\x01'), InputEvent::Nothing);
    EXPECT_EQ(input.receive('\x01'), InputEvent::SwitchedToControlDomain);
    EXPECT_EQ(input.receive('a'), InputEvent::ForControlDomain);
    std::array<char, 8> out{};
    ASSERT_EQ(input.read(out), 1u);
    EXPECT_EQ(out[0], 'a');
}

TEST(ConsoleInput, FewerSwitchKeysAreOrdinaryCharacters)
{
    ConsoleInput input;
    input.receive('\x01');
    input.receive('\x01');
    input.receive('b');
    std::array<char, 8> out{};
    ASSERT_EQ(input.read(out), 3u);
    EXPECT_EQ(std::string_view(out.data(), 3), "\x01\x01"
                                               "b");
}

TEST(GuestLine, PassesWholeLinesWithoutControlCharacters)
{
    GuestLine line;
    std::vector<std::string> lines;
    auto const keep = [&](std::span<char const> text) { lines.emplace_back(text.begin(), text.end()); };
    line.add(bytes("hel"), keep);
    EXPECT_TRUE(lines.empty());
    line.add(bytes("lo\x1b[0m\r\nwor\tld\n"), keep);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0], "hello[0m");
    EXPECT_EQ(lines[1], "wor\tld");
}

TEST(GuestLine, BreaksEndlessLines)
{
    GuestLine line;
    std::size_t lines = 0;
    line.add(bytes(std::string(GuestLine::kCapacity * 2 + 5, 'x')), [&](std::span<char const> text) {
        EXPECT_EQ(text.size(), GuestLine::kCapacity);
        ++lines;
    });
    EXPECT_EQ(lines, 2u);
}

} // namespace
} // namespace hv
