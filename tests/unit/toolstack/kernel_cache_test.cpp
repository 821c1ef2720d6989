// SPDX-License-Identifier: MIT
// What is kept of unpacked kernels: found for the very file only, bounded, and never in the way.
#include "domain/kernel_cache.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace vm
{
namespace
{

class KernelCacheTest : public ::testing::Test
{
protected:
    void SetUp() override
    {
        std::string name = std::filesystem::temp_directory_path() / "kernels-XXXXXX";
        root_ = ::mkdtemp(name.data());
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    std::string kernel(std::string const& name, std::string const& content = "packed")
    {
        std::string const path = root_ / name;
        std::ofstream(path) << content;
        return path;
    }
    static std::string content_of(std::string const& path)
    {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static std::span<std::byte const> bytes(std::string const& text) { return std::as_bytes(std::span(text)); }
    [[nodiscard]] std::size_t kept() const
    {
        std::size_t count = 0;
        for ([[maybe_unused]] auto const& entry : std::filesystem::directory_iterator(root_ / "cache"))
            ++count;
        return count;
    }

    std::filesystem::path root_;
    KernelCache cache(std::uint64_t most = 1 << 20, std::int64_t settled = 0)
    {
        return {root_ / "cache", {.bytes = most, .settled_seconds = settled}};
    }
};

TEST_F(KernelCacheTest, WhatIsKeptIsFound)
{
    std::string const path = kernel("a");
    EXPECT_FALSE(cache().find(path));
    cache().keep(path, bytes("unpacked"));
    auto const entry = cache().find(path);
    ASSERT_TRUE(entry);
    EXPECT_EQ(content_of(*entry), "unpacked");
    EXPECT_FALSE(cache().find(kernel("b")));
    struct stat status = {};
    ASSERT_EQ(::stat(entry->c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u); // a guest's kernel is nobody else's business
}

TEST_F(KernelCacheTest, AChangedKernelIsAnother)
{
    std::string const path = kernel("a");
    cache().keep(path, bytes("unpacked"));
    std::ofstream(path) << "patched"; // in place: the same inode, another size and time
    EXPECT_FALSE(cache().find(path));
    cache().keep(path, bytes("unpacked again"));
    std::string const replacement = kernel("new", "patched");
    std::filesystem::rename(replacement, path);
    EXPECT_FALSE(cache().find(path));
}

TEST_F(KernelCacheTest, AKernelThatMayStillChangeIsNotKept)
{
    std::string const path = kernel("a");
    cache(1 << 20, 3600).keep(path, bytes("unpacked"));
    EXPECT_FALSE(cache().find(path));
    cache().keep(path, bytes("unpacked"));
    EXPECT_FALSE(cache(1 << 20, 3600).find(path));
}

TEST_F(KernelCacheTest, WhatWasUsedLongestAgoGoesFirst)
{
    std::string const unpacked(400, 'u');
    std::array const paths{kernel("a"), kernel("b"), kernel("c")};
    KernelCache const small = cache(1000);
    small.keep(paths[0], bytes(unpacked));
    small.keep(paths[1], bytes(unpacked));
    std::filesystem::last_write_time(*small.find(paths[0]),
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
    std::filesystem::last_write_time(*small.find(paths[1]),
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    KernelCache::renew(*small.find(paths[0]));
    small.keep(paths[2], bytes(unpacked));
    EXPECT_TRUE(small.find(paths[0]));
    EXPECT_FALSE(small.find(paths[1]));
    EXPECT_TRUE(small.find(paths[2]));
    EXPECT_EQ(kept(), 2u);
}

TEST_F(KernelCacheTest, WhatDoesNotFitIsNotKept)
{
    std::string const path = kernel("a");
    cache(7).keep(path, bytes("unpacked"));
    EXPECT_FALSE(cache().find(path));
    EXPECT_EQ(kept(), 0u);
}

TEST_F(KernelCacheTest, ADirectoryThatCannotBeIsNoError)
{
    std::string const path = kernel("a");
    KernelCache const nowhere(path + "/cache", {.settled_seconds = 0}); // below a file
    nowhere.keep(path, bytes("unpacked"));
    EXPECT_FALSE(nowhere.find(path));
    EXPECT_FALSE(nowhere.find(root_ / "none"));
    EXPECT_FALSE(nowhere.find(root_));
}

TEST_F(KernelCacheTest, AForgottenEntryIsGone)
{
    std::string const path = kernel("a");
    cache().keep(path, bytes("unpacked"));
    KernelCache::forget(*cache().find(path));
    EXPECT_FALSE(cache().find(path));
}

} // namespace
} // namespace vm
