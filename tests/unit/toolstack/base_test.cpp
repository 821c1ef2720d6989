// SPDX-License-Identifier: MIT
// The small parts that everything stands on: identities, suggestions, errors, files.
#include "base/file.hpp"
#include "base/uuid.hpp"
#include "config/suggest.hpp"
#include "expect_error.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace vm
{
namespace
{

TEST(Uuid, ConvertsBothWays)
{
    Uuid const uuid = random_uuid();
    EXPECT_EQ(parse_uuid(to_string(uuid)), uuid);
    EXPECT_NE(random_uuid(), uuid);
    EXPECT_EQ(to_string(*parse_uuid("0123456789abcdef0123456789ABCDEF")), "01234567-89ab-cdef-0123-456789abcdef");
    for (char const* const bad :
         {"", "0123", "01234567-89ab-cdef-0123-456789abcdeg", "01234567x89ab-cdef-0123-456789abcdef"})
    {
        EXPECT_FALSE(parse_uuid(bad)) << bad;
    }
}

TEST(Mac, IsDrawnUnderTheKnownPrefix)
{
    std::string const mac = random_mac();
    EXPECT_EQ(mac.size(), 17u);
    EXPECT_EQ(mac.substr(0, 9), "00:16:3e:");
}

TEST(Suggest, FindsNearWordsOnly)
{
    EXPECT_EQ(closest_word("memroy", {"memory", "maxmem", "name"}), "memory");
    EXPECT_EQ(closest_word("lsit", {"list", "show"}), "list");
    EXPECT_EQ(closest_word("elephant", {"list", "show"}), "");
    EXPECT_EQ(did_you_mean("x", {}, "other"), "other");
}

TEST(Errors, MapErrnoToExitCodes)
{
    EXPECT_EQ(system_error("x", EPERM).code(), ExitCode::Denied);
    EXPECT_EQ(system_error("x", ENOMEM).code(), ExitCode::NoResources);
    EXPECT_EQ(system_error("x", ENOENT).code(), ExitCode::NotFound);
    EXPECT_EQ(system_error("x", EBUSY).code(), ExitCode::WrongState);
    EXPECT_EQ(system_error("x", EIO).code(), ExitCode::Failed);
    EXPECT_EQ(named_file_error("x", ENOENT).code(), ExitCode::Usage);
    EXPECT_EQ(named_file_error("x", EACCES).code(), ExitCode::Denied);
}

TEST(Files, AreReplacedAtomicallyAndReadWithALimit)
{
    std::string const directory = testing::TempDir() + "vmctl-file-test/a/b";
    make_directories(directory);
    std::string const path = directory + "/x";
    replace_file(path, "one");
    replace_file(path, "two");
    EXPECT_EQ(read_file(path, 3), "two");
    EXPECT_THROW(read_file(path, 2), Error);
    EXPECT_EQ(read_attribute(path), "two");
    EXPECT_FALSE(read_attribute(path + "none"));
    auto const entries = std::filesystem::directory_iterator(directory);
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a temporary file was left";
    std::filesystem::remove_all(testing::TempDir() + "vmctl-file-test");
}

} // namespace
} // namespace vm
