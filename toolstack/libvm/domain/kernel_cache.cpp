// SPDX-License-Identifier: MIT
// Entries are written beside their place, brought to the disk and renamed, so that one that is there is whole.
#include "domain/kernel_cache.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace vm
{
namespace
{

constexpr char kSuffix[] = ".elf";
constexpr std::uint64_t kShareOfFileSystem = 8; // one part of so many

std::string name_of(struct stat const& file)
{
    char name[128];
    std::snprintf(name, sizeof name, "%llx-%llx-%llx-%llx.%lx-%llx.%lx%s", static_cast<unsigned long long>(file.st_dev),
                  static_cast<unsigned long long>(file.st_ino), static_cast<unsigned long long>(file.st_size),
                  static_cast<unsigned long long>(file.st_mtim.tv_sec), file.st_mtim.tv_nsec,
                  static_cast<unsigned long long>(file.st_ctim.tv_sec), file.st_ctim.tv_nsec, kSuffix);
    return name;
}

bool settled(struct stat const& file, std::int64_t seconds)
{
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - std::max(file.st_mtim.tv_sec, file.st_ctim.tv_sec) >= seconds;
}

bool write_all(int fd, std::span<std::byte const> bytes)
{
    while (!bytes.empty())
    {
        ssize_t const count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR)
        {
            continue;
        }
        if (count <= 0)
        {
            return false;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return ::fdatasync(fd) == 0;
}

struct Space
{
    std::uint64_t total, available; // bytes
};

/// Of the file system that the directory is on.
std::optional<Space> space_of(std::string const& directory)
{
    struct statvfs system = {};
    if (::statvfs(directory.c_str(), &system) != 0)
    {
        return std::nullopt;
    }
    return Space{std::uint64_t{system.f_blocks} * system.f_frsize, std::uint64_t{system.f_bavail} * system.f_frsize};
}

struct Entry
{
    std::string path;
    std::uint64_t bytes;
    timespec used;
};

std::vector<Entry> entries_of(std::string const& directory)
{
    std::vector<Entry> entries;
    std::error_code error;
    for (auto const& file : std::filesystem::directory_iterator(directory, error))
    {
        struct stat status = {};
        if (::lstat(file.path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
        {
            entries.push_back({file.path(), static_cast<std::uint64_t>(status.st_size), status.st_mtim});
        }
    }
    return entries;
}

} // namespace

KernelCache::KernelCache(std::string directory, Limits limits) : directory_(std::move(directory)), limits_(limits) {}

std::string KernelCache::default_directory()
{
    char const* const given = std::getenv("TESSERA_CACHE_DIR");
    return std::string(given && *given ? given : "/var/cache/tessera") + "/kernels";
}

std::optional<std::string> KernelCache::place_of(std::string const& kernel) const
{
    struct stat status = {};
    if (::stat(kernel.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || !settled(status, limits_.settled_seconds))
    {
        return std::nullopt;
    }
    return directory_ + "/" + name_of(status);
}

bool KernelCache::has(std::string const& place)
{
    return ::access(place.c_str(), R_OK) == 0;
}

void KernelCache::keep(std::string const& place, std::span<std::byte const> unpacked) const
{
    try
    {
        make_directories(directory_);
    }
    catch (Error const&)
    {
        return;
    }
    std::optional<Space> const space = space_of(directory_);
    if (!space)
    {
        return;
    }
    std::uint64_t const limit = std::min(limits_.bytes, space->total / kShareOfFileSystem);
    if (unpacked.size() > limit || unpacked.size() > space->available / 2)
    {
        return;
    }
    std::string fresh = directory_ + "/.new-XXXXXX";
    UniqueFd const fd(::mkostemp(fresh.data(), O_CLOEXEC));
    if (!fd)
    {
        return;
    }
    if (!write_all(fd.get(), unpacked) || ::rename(fresh.c_str(), place.c_str()) != 0)
    {
        ::unlink(fresh.c_str());
        return;
    }
    make_room(limit, place);
}

/// Lets the entries go that were used longest ago, and what processes that died have left half written.
void KernelCache::make_room(std::uint64_t limit, std::string const& newest) const
{
    std::vector<Entry> entries = entries_of(directory_);
    std::sort(entries.begin(), entries.end(), [](Entry const& a, Entry const& b) {
        return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec > b.used.tv_sec : a.used.tv_nsec > b.used.tv_nsec;
    });
    std::uint64_t total = 0;
    for (Entry const& entry : entries)
    {
        total += entry.bytes;
        if (total > limit && entry.path != newest)
        {
            forget(entry.path);
        }
    }
}

void KernelCache::renew(std::string const& entry)
{
    ::utimensat(AT_FDCWD, entry.c_str(), nullptr, 0);
}

void KernelCache::forget(std::string const& entry)
{
    ::unlink(entry.c_str());
}

} // namespace vm
