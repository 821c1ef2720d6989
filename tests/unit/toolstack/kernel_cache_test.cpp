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
    /// What is kept for the file as it is now.
    static std::optional<std::string> find(KernelCache const& cache, std::string const& path)
    {
        std::optional<std::string> place = cache.place_of(path);
        return place && KernelCache::has(*place) ? place : std::nullopt;
    }
    static void keep(KernelCache const& cache, std::string const& path, std::string const& unpacked)
    {
        if (std::optional<std::string> const place = cache.place_of(path))
            cache.keep(*place, bytes(unpacked));
    }
    KernelCache cache(std::uint64_t most = 1 << 20, std::int64_t settled = 0)
    {
        return {root_ / "cache", {.bytes = most, .settled_seconds = settled}};
    }
};

TEST_F(KernelCacheTest, WhatIsKeptIsFound)
{
    std::string const path = kernel("a");
    EXPECT_FALSE(find(cache(), path));
    keep(cache(), path, "unpacked");
    auto const entry = find(cache(), path);
    ASSERT_TRUE(entry);
    EXPECT_EQ(content_of(*entry), "unpacked");
    EXPECT_FALSE(find(cache(), kernel("b")));
    struct stat status = {};
    ASSERT_EQ(::stat(entry->c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u); // a guest's kernel is nobody else's business
}

TEST_F(KernelCacheTest, AChangedKernelIsAnother)
{
    std::string const path = kernel("a");
    keep(cache(), path, "unpacked");
    std::ofstream(path) << "patched"; // in place: the same inode, another size and time
    EXPECT_FALSE(find(cache(), path));
    keep(cache(), path, "unpacked again");
    std::string const replacement = kernel("new", "patched");
    std::filesystem::rename(replacement, path);
    EXPECT_FALSE(find(cache(), path));
}

// Its file was read, then replaced, and what was unpacked is kept only now: under the name of the file that was read.
TEST_F(KernelCacheTest, AKernelThatIsReplacedWhileAGuestIsMadeIsNotTheNewOne)
{
    std::string const path = kernel("a");
    std::string const place = *cache().place_of(path);
    std::filesystem::rename(kernel("new", "patched"), path);
    cache().keep(place, bytes("unpacked"));
    EXPECT_FALSE(find(cache(), path));
}

TEST_F(KernelCacheTest, AKernelThatMayStillChangeIsNotKept)
{
    std::string const path = kernel("a");
    keep(cache(1 << 20, 3600), path, "unpacked");
    EXPECT_FALSE(find(cache(), path));
    keep(cache(), path, "unpacked");
    EXPECT_FALSE(find(cache(1 << 20, 3600), path));
}

TEST_F(KernelCacheTest, WhatWasUsedLongestAgoGoesFirst)
{
    std::string const unpacked(400, 'u');
    std::array const paths{kernel("a"), kernel("b"), kernel("c")};
    KernelCache const small = cache(1000);
    keep(small, paths[0], unpacked);
    keep(small, paths[1], unpacked);
    std::filesystem::last_write_time(*find(small, paths[0]),
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
    std::filesystem::last_write_time(*find(small, paths[1]),
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    KernelCache::renew(*find(small, paths[0]));
    keep(small, paths[2], unpacked);
    EXPECT_TRUE(find(small, paths[0]));
    EXPECT_FALSE(find(small, paths[1]));
    EXPECT_TRUE(find(small, paths[2]));
    EXPECT_EQ(kept(), 2u);
}

TEST_F(KernelCacheTest, WhatDoesNotFitIsNotKept)
{
    std::string const path = kernel("a");
    keep(cache(7), path, "unpacked");
    EXPECT_FALSE(find(cache(), path));
    EXPECT_EQ(kept(), 0u);
}

TEST_F(KernelCacheTest, ADirectoryThatCannotBeIsNoError)
{
    std::string const path = kernel("a");
    KernelCache const nowhere(path + "/cache", {.settled_seconds = 0}); // below a file
    keep(nowhere, path, "unpacked");
    EXPECT_FALSE(find(nowhere, path));
    EXPECT_FALSE(find(nowhere, root_ / "none"));
    EXPECT_FALSE(find(nowhere, root_));
}

TEST_F(KernelCacheTest, AForgottenEntryIsGone)
{
    std::string const path = kernel("a");
    keep(cache(), path, "unpacked");
    KernelCache::forget(*find(cache(), path));
    EXPECT_FALSE(find(cache(), path));
}

} // namespace
} // namespace vm
