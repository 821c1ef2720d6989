// SPDX-License-Identifier: MIT
// How command lines are taken apart, and what each output form looks like.
#include "expect_error.hpp"
#include "verb.hpp"

namespace vmctl
{

/// The verbs of this test, in place of vmctl's own.
std::vector<Verb> const& verbs()
{
    static std::vector<Verb> const all{
        {"list", "[GUEST]...", 0, 2, "List", {{"uuid", 'u', "", ""}}, nullptr},
        {"shutdown", "GUEST", 1, 1, "Stop", {{"wait", 'w', "", ""}, {"timeout", 't', "S", ""}}, nullptr},
        {"host info", "", 0, 0, "Show", {}, nullptr},
    };
    return all;
}

namespace
{

using vm::test::expect_error;

struct Parsed
{
    Verb const* verb = nullptr;
    Invocation invocation;
};

Parsed parse(std::vector<std::string> const& words)
{
    Parsed parsed;
    parse_command_line(words, parsed.verb, parsed.invocation);
    return parsed;
}

void expect_refused(std::vector<std::string> const& words, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse(words); });
}

TEST(CommandLine, FindsVerbsOperandsAndOptions)
{
    Parsed const parsed = parse({"shutdown", "-wt", "30", "web", "--format=json"});
    EXPECT_EQ(parsed.verb->name, "shutdown");
    EXPECT_EQ(parsed.invocation.operands, std::vector<std::string>{"web"});
    EXPECT_TRUE(parsed.invocation.has("wait"));
    EXPECT_EQ(parsed.invocation.number("timeout", 1, 1, 100), 30);
    EXPECT_EQ(parsed.invocation.number("other", 5, 1, 100), 5);
    EXPECT_EQ(parsed.invocation.format, Format::Json);
    EXPECT_EQ(parse({"host", "info", "-f", "csv"}).invocation.format, Format::Csv);
    EXPECT_EQ(parse({"shutdown", "--", "-x"}).invocation.operands, std::vector<std::string>{"-x"});
}

TEST(CommandLine, KnowsHelpAndVersionEverywhere)
{
    EXPECT_TRUE(parse({"--help"}).invocation.has("help"));
    EXPECT_TRUE(parse({"-V"}).invocation.has("version"));
    EXPECT_TRUE(parse({"shutdown", "-h"}).invocation.has("help"));
    EXPECT_EQ(parse({"help", "host", "info"}).verb->name, "host info");
    EXPECT_TRUE(parse({"help", "help"}).invocation.has("help"));
    EXPECT_TRUE(parse({"help", "version"}).invocation.has("help"));
}

TEST(CommandLine, RefusesWithAHint)
{
    expect_refused({}, "what shall be done", "vmctl help");
    expect_refused({"lsit"}, "unknown verb 'lsit'", "did you mean 'list'?");
    expect_refused({"host", "inof"}, "unknown verb 'host inof'", "did you mean 'host info'?");
    expect_refused({"host"}, "'host' needs a second word", "host info");
    expect_refused({"shutdown"}, "needs more: GUEST", "usage:");
    expect_refused({"shutdown", "a", "b"}, "unexpected argument 'b'", "usage:");
    expect_refused({"list", "--uid"}, "unknown option '--uid'", "'--uuid'");
    expect_refused({"list", "-z"}, "unknown option '-z'");
    expect_refused({"shutdown", "a", "--timeout"}, "needs a value");
    expect_refused({"shutdown", "a", "--wait=1"}, "takes no value");
    expect_refused({"list", "--format", "xml"}, "unknown format 'xml'");
    expect_refused({"--format", "json"}, "the verb comes before");
    for (char const* const bad : {"", "x", "5x", "0", "101", "99999999999999999999"})
    {
        Parsed const parsed = parse({"shutdown", "a", std::string("--timeout=") + bad});
        EXPECT_THROW(parsed.invocation.number("timeout", 1, 1, 100), Error) << bad;
    }
}

// What is wrong with the options was told as plain text to a program that had asked for JSON.
TEST(CommandLine, KnowsTheFormatOfErrorsBeforeTheyAreFound)
{
    for (std::vector<std::string> const& words :
         std::vector<std::vector<std::string>>{{"list", "--uid", "--format=json"},
                                               {"list", "--format", "json", "-z"},
                                               {"lsit", "-fjson"},
                                               {"list", "-f", "json", "a", "b", "c"}})
    {
        Parsed parsed;
        EXPECT_THROW(parse_command_line(words, parsed.verb, parsed.invocation), Error);
        EXPECT_EQ(parsed.invocation.format, Format::Json) << words.back();
    }
    EXPECT_EQ(parse({"list", "--", "-fjson"}).invocation.format, Format::Table);
}

Json const kRows = Json::array({{{"name", "a"}, {"id", 1}, {"hidden", true}}, {{"name", "b,\"c\""}, {"id", 20}}});
std::vector<Column> const kColumns{{"name", "NAME"}, {"id", "ID", true}};

TEST(Output, RendersLists)
{
    EXPECT_EQ(render_list(Format::Table, kColumns, kRows), "NAME   ID\n"
                                                           "a       1\n"
                                                           "b,\"c\"  20\n");
    EXPECT_EQ(render_list(Format::Csv, kColumns, kRows), "name,id\na,1\n\"b,\"\"c\"\"\",20\n");
    EXPECT_EQ(Json::parse(render_list(Format::Json, kColumns, kRows)), kRows);
    EXPECT_EQ(render_list(Format::Yaml, kColumns, kRows), "-\n  name: a\n  id: 1\n  hidden: true\n"
                                                          "-\n  name: \"b,\\\"c\\\"\"\n  id: 20\n");
    EXPECT_EQ(render_list(Format::Json, kColumns, Json::array()), "[]\n");
    EXPECT_EQ(render_list(Format::Yaml, kColumns, Json::array()), "[]\n");
    EXPECT_EQ(render_list(Format::Table, kColumns, Json::array()), "NAME  ID\n");
}

TEST(Output, RendersObjects)
{
    Json const object{{"a", "x"}, {"list", {{{"b", 1}}, {{"b", 2}}}}, {"none", nullptr}};
    EXPECT_EQ(render_object(Format::Table, object), "a         x\nlist.0.b  1\nlist.1.b  2\nnone      -\n");
    EXPECT_EQ(render_object(Format::Csv, object), "a,x\nlist.0.b,1\nlist.1.b,2\nnone,-\n");
}

TEST(Output, QuotesWhatYamlWouldMistake)
{
    Json const object{{"a", "yes"}, {"b", "12"}, {"c", ""}, {"d", "a: b"}, {"e", "Null"}, {"f", "plain"}};
    EXPECT_EQ(render_object(Format::Yaml, object),
              "a: \"yes\"\nb: \"12\"\nc: \"\"\nd: \"a: b\"\ne: \"Null\"\nf: plain\n");
}

TEST(Output, DoesNotPassOnControlCharactersOrInvalidText)
{
    EXPECT_EQ(render_object(Format::Table, Json{{"a", "x\x1b[2Jy"}}), "a  x?[2Jy\n");
    EXPECT_NO_THROW(render_object(Format::Json, Json{{"a", "\xff"}}));
}

} // namespace
} // namespace vmctl
