// SPDX-License-Identifier: MIT
// Tests of message framing, string splitting and path checks.
#include "store_fixture.hpp"

namespace tessera::store::test
{
namespace
{

std::string message(std::uint32_t type, std::uint32_t length, std::string_view payload)
{
    xsd_sockmsg const header{type, 7, 9, length};
    return std::string(reinterpret_cast<char const*>(&header), sizeof header) + std::string(payload);
}

TEST(Frame, NeedsTheWholeHeaderFirst)
{
    std::string const bytes = message(XS_READ, 0, "");
    for (std::size_t size = 0; size < kHeaderSize; ++size)
    {
        Frame const frame = next_frame(std::string_view(bytes).substr(0, size));
        EXPECT_EQ(frame.status, FrameStatus::Incomplete);
        EXPECT_EQ(frame.size, kHeaderSize);
    }
    EXPECT_EQ(next_frame(bytes).status, FrameStatus::Complete);
}

TEST(Frame, TellsHowMuchIsMissing)
{
    std::string const bytes = message(XS_READ, 5, "/a");
    EXPECT_EQ(next_frame(bytes).status, FrameStatus::Incomplete);
    EXPECT_EQ(next_frame(bytes).size, kHeaderSize + 5);
}

TEST(Frame, LeavesWhatFollows)
{
    std::string const bytes = message(XS_READ, 3, std::string("/a\0rest", 7));
    Frame const frame = next_frame(bytes);
    EXPECT_EQ(frame.status, FrameStatus::Complete);
    EXPECT_EQ(frame.request.payload, std::string_view("/a\0", 3));
    EXPECT_EQ(frame.request.request_id, 7U);
    EXPECT_EQ(frame.request.transaction_id, 9U);
    EXPECT_EQ(frame.size, kHeaderSize + 3);
}

TEST(Frame, RefusesMoreThanThePayloadLimit)
{
    EXPECT_EQ(next_frame(message(XS_WRITE, kPayloadMax, "")).status, FrameStatus::Incomplete);
    EXPECT_EQ(next_frame(message(XS_WRITE, kPayloadMax + 1, "")).status, FrameStatus::Oversized);
    EXPECT_EQ(next_frame(message(XS_WRITE, 0xffffffff, "")).status, FrameStatus::Oversized);
}

TEST(Strings, SplitAtNul)
{
    StringList list(std::string_view("one\0\0two", 8));
    std::string_view text;
    ASSERT_TRUE(list.next(text));
    EXPECT_EQ(text, "one");
    ASSERT_TRUE(list.next(text));
    EXPECT_EQ(text, "");
    EXPECT_FALSE(list.next(text)) << "a string without its NUL is none";
    EXPECT_EQ(list.rest(), "two");
}

TEST(Strings, SingleStringMustEndThePayload)
{
    std::string_view text;
    EXPECT_TRUE(single_string(std::string_view("/a\0", 3), text));
    EXPECT_FALSE(single_string("/a", text));
    EXPECT_FALSE(single_string(std::string_view("/a\0b", 4), text));
    EXPECT_FALSE(single_string("", text));
}

TEST(Numbers, OnlyDigitsCount)
{
    std::uint64_t number = 0;
    EXPECT_TRUE(parse_number("18446744073709551615", number));
    for (std::string_view const bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"})
    {
        EXPECT_FALSE(parse_number(bad, number)) << bad;
    }
}

TEST(Paths, ValidAndInvalid)
{
    for (std::string_view const good : {"/", "/a", "/a/b-c_D@9", "/local/domain/0"})
    {
        EXPECT_TRUE(valid_absolute_path(good)) << good;
    }
    for (std::string_view const bad : {"", "a", "//", "/a/", "/a//b", "/a b", "/a:b", "/a.b", "/\x80", "/a\n"})
    {
        EXPECT_FALSE(valid_absolute_path(bad)) << bad;
    }
    EXPECT_FALSE(valid_absolute_path(std::string_view("/a\0b", 4)));
    EXPECT_TRUE(valid_absolute_path("/" + std::string(kAbsolutePathMax - 1, 'a')));
    EXPECT_FALSE(valid_absolute_path("/" + std::string(kAbsolutePathMax, 'a')));
}

// Every length around the sixteen bytes that are looked at together, with every kind of mistake at every place.
TEST(Paths, MistakesAreFoundAtEveryPlace)
{
    for (std::size_t size = 2; size <= 50; ++size)
    {
        std::string const good = "/" + std::string(size - 1, 'a');
        EXPECT_TRUE(valid_absolute_path(good)) << size;
        for (std::size_t at = 1; at < size; ++at)
        {
            for (char const wrong : {'.', '`', '[', ':', '{', ' ', '\0', '\x7f', '\xff', '^'})
            {
                std::string bad = good;
                bad[at] = wrong;
                EXPECT_FALSE(valid_absolute_path(bad)) << bad;
            }
            std::string twice = good;
            twice[at] = '/';
            EXPECT_EQ(valid_absolute_path(twice), at != 1 && at != size - 1) << twice;
            if (at >= 3)
            {
                twice[at - 1] = '/';
                EXPECT_FALSE(valid_absolute_path(twice)) << twice;
            }
        }
    }
}

TEST(Paths, RelativeOnesBelongToTheDomain)
{
    std::string scratch;
    NodePath path;
    ASSERT_EQ(resolve_path("device/vif", 7, scratch, path), 0);
    EXPECT_EQ(path.text, "/local/domain/7/device/vif");
    EXPECT_EQ(path.text.substr(path.prefix), "device/vif");
    EXPECT_EQ(resolve_path("a/", 7, scratch, path), EINVAL);
    EXPECT_EQ(resolve_path("@releaseDomain", 7, scratch, path), EINVAL);
    EXPECT_EQ(resolve_watch_path("@releaseDomain", 7, scratch, path), 0);
    EXPECT_EQ(resolve_watch_path("@a/b", 7, scratch, path), EINVAL);
}

TEST(Paths, ParentsAndContainment)
{
    EXPECT_EQ(parent_path("/a/b"), "/a");
    EXPECT_EQ(parent_path("/a"), "/");
    EXPECT_TRUE(is_same_or_below("/a", "/a"));
    EXPECT_TRUE(is_same_or_below("/a", "/a/b"));
    EXPECT_FALSE(is_same_or_below("/a", "/ab"));
    EXPECT_TRUE(is_same_or_below("/", "/ab"));
    EXPECT_EQ(path_depth("/"), 0U);
    EXPECT_EQ(path_depth("/a/b"), 2U);
}

TEST(Errors, HaveTheirWireNames)
{
    EXPECT_EQ(error_name(ENOENT), "ENOENT");
    EXPECT_EQ(error_name(EAGAIN), "EAGAIN");
    EXPECT_EQ(error_name(12345), "EINVAL");
    EXPECT_EQ(operation_name(XS_DIRECTORY_PART), "directory_part");
    EXPECT_EQ(operation_name(99), "invalid");
}

TEST(Output, KeepsMessageBoundaries)
{
    OutputQueue queue;
    queue.append(XS_READ, 1, 2, "ab", "c");
    queue.append(XS_WRITE, 3, 4, "");
    EXPECT_EQ(queue.front_message_size(), kHeaderSize + 3);
    EXPECT_EQ(queue.size(), 2 * kHeaderSize + 3);
    queue.consume(kHeaderSize + 3);
    EXPECT_EQ(queue.front_message_size(), kHeaderSize);
    queue.consume(kHeaderSize);
    EXPECT_TRUE(queue.empty());
}

} // namespace
} // namespace tessera::store::test
