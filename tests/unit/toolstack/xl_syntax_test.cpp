// SPDX-License-Identifier: MIT
// The syntax of xl.cfg: what is accepted, and that what is not is refused with its line.
#include "config/xl_syntax.hpp"
#include "expect_error.hpp"

namespace vm
{
namespace
{

using test::expect_error;

void expect_refused(std::string const& text, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse_xl_syntax(text, "f"); });
}

// xl.cfg(5) gives numbers with a leading 0 to base 8; "memory = 0100" was read as 100.
TEST(XlSyntax, ReadsOctalNumbers)
{
    EXPECT_EQ(*parse_xl_syntax("memory = 0100", "f").at(0).value.number(), 64);
    EXPECT_EQ(*parse_xl_syntax("vcpus = 0", "f").at(0).value.number(), 0);
    EXPECT_THROW(parse_xl_syntax("memory = 0190", "f"), Error);
}

TEST(XlSyntax, ReadsNumbersStringsAndLists)
{
    auto const all = parse_xl_syntax("memory = 128\n"
                                     "name='it\\'s' # a comment\n"
                                     "hex = 0x1f; minus = -3\n"
                                     "disk = [ 'a,b', \"c\",\n  [1, 2], ]\n",
                                     "f");
    ASSERT_EQ(all.size(), 5u);
    EXPECT_EQ(all[0].key, "memory");
    EXPECT_EQ(*all[0].value.number(), 128);
    EXPECT_EQ(*all[1].value.string(), "it's");
    EXPECT_EQ(*all[2].value.number(), 31);
    EXPECT_EQ(*all[3].value.number(), -3);
    auto const& list = *all[4].value.list();
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(*list[0].string(), "a,b");
    EXPECT_EQ(list[2].list()->size(), 2u);
    EXPECT_EQ(list[2].line, 5);
}

TEST(XlSyntax, ReadsAppendingContinuationAndWindowsLineEnds)
{
    auto const all = parse_xl_syntax("extra += \"x\"\r\nvcpus = \\\n 2\r\n", "f");
    ASSERT_EQ(all.size(), 2u);
    EXPECT_TRUE(all[0].append);
    EXPECT_EQ(*all[1].value.number(), 2);
}

TEST(XlSyntax, AcceptsAnEmptyFile)
{
    EXPECT_TRUE(parse_xl_syntax("", "f").empty());
    EXPECT_TRUE(parse_xl_syntax("  # nothing\n\n;;\n", "f").empty());
}

TEST(XlSyntax, NamesTheLineOfAnError)
{
    expect_refused("a = 1\n\nb 2\n", "f:3: expected '=' after 'b'");
    expect_refused("a = \"open\nb = 1\n", "f:1: the string is not closed");
    expect_refused("a = [ 1,\n 2\n", "the list that starts in line 1 is not closed", "add a ']'");
    expect_refused("a = [ 1 2 ]", "expected ',' or ']'");
    expect_refused("a = word", "expected a number", "quotation marks");
    expect_refused("a = 12ab", "a number ends in unexpected characters");
    expect_refused("a = 1.5", "a number ends in unexpected characters");
    expect_refused("a = 99999999999999999999", "the number is too large");
    expect_refused("a = -", "this is not a number");
    expect_refused("a = 1 b = 2", "unexpected text after the value of 'a'");
    expect_refused("a = 'x\\q'", "unknown escape");
    expect_refused("= 3", "expected a key");
    expect_refused("a =", "expected a number");
    expect_refused("a = 'x\\", "unknown escape");
}

TEST(XlSyntax, RefusesDeepNestingAndBinaries)
{
    expect_refused("a = " + std::string(100, '['), "nested too deep");
    expect_refused(std::string("\x7f"
                               "ELF\0\0",
                               6),
                   "not a text file");
}

} // namespace
} // namespace vm
