// SPDX-License-Identifier: MIT
// What the console writes where: thresholds, prefixes, the ring and the output device.
#include <core/console/console.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace hv
{
namespace
{

std::string device_text;
int input_notices;

std::span<char const> bytes(std::string_view text)
{
    return {text.data(), text.size()};
}

class Routing : public testing::Test
{
protected:
    void SetUp() override
    {
        device_text.clear();
        input_notices = 0;
        console_.hooks.output = [](std::span<char const> text) { device_text.append(text.begin(), text.end()); };
        console_.hooks.input_ready = [] { ++input_notices; };
    }

    std::string ring_text()
    {
        std::string out(4000, '?');
        std::uint32_t position = 0;
        out.resize(console_.read_ring(position, false, out));
        return out;
    }

    Console console_;
};

TEST_F(Routing, LinesAboveTheThresholdAreDropped)
{
    console_.log_level = LogLevel::Warning;
    console_.log(LogLevel::Info, bytes("quiet"));
    console_.log(LogLevel::Warning, bytes("loud"));
    EXPECT_EQ(device_text, "(tessera) loud\n");
    EXPECT_EQ(ring_text(), device_text);
}

TEST_F(Routing, GuestsHaveTheirOwnThreshold)
{
    console_.log_level = LogLevel::Error;
    console_.guest_log_level = LogLevel::Info;
    console_.log_about_guest(LogLevel::Debug, bytes("no"));
    console_.log_about_guest(LogLevel::Info, bytes("yes"));
    EXPECT_EQ(device_text, "(tessera) yes\n");
    console_.guest_log_none = true;
    console_.log_about_guest(LogLevel::Error, bytes("never"));
    EXPECT_EQ(device_text, "(tessera) yes\n");
}

TEST_F(Routing, TimestampsKeepTheirZeros)
{
    console_.hooks.time = [] { return Nanoseconds{12'000'345'678}; };
    console_.log(LogLevel::Error, bytes("x"));
    EXPECT_EQ(device_text, "(tessera) [12.000345] x\n");
}

TEST_F(Routing, ControlDomainOutputReachesTheRingOnlyWhenAsked)
{
    console_.control_write(bytes("kernel\n"));
    EXPECT_EQ(device_text, "kernel\n");
    EXPECT_EQ(ring_text(), "");
    console_.control_output_to_ring = true;
    console_.control_write(bytes("more\n"));
    EXPECT_EQ(ring_text(), "more\n");
}

TEST_F(Routing, GuestLinesNameTheirDomain)
{
    GuestLine first;
    GuestLine second;
    console_.guest_write(first, DomainId{1}, bytes("he"));
    console_.guest_write(second, DomainId{2}, bytes("other\n"));
    console_.guest_write(first, DomainId{1}, bytes("llo\n"));
    EXPECT_EQ(device_text, "(d2) other\n(d1) hello\n");
}

TEST_F(Routing, ReadingInPiecesSeesEverythingOnce)
{
    console_.log(LogLevel::Error, bytes("abcdef"));
    std::uint32_t position = 0;
    char piece[5];
    std::string all;
    bool incremental = false;
    while (std::size_t const count = console_.read_ring(position, incremental, piece))
    {
        all.append(piece, count);
        incremental = true;
    }
    EXPECT_EQ(all, "(tessera) abcdef\n");
}

TEST_F(Routing, TypedCharactersAreAnnouncedAndRead)
{
    console_.receive('h');
    console_.receive('i');
    EXPECT_EQ(input_notices, 2);
    char out[8];
    ASSERT_EQ(console_.read_input(out), 2u);
    EXPECT_EQ(std::string_view(out, 2), "hi");
}

} // namespace
} // namespace hv
