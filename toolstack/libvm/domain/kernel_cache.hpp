// SPDX-License-Identifier: MIT
// Kernels that earlier creations have unpacked. Unpacking costs more than all the rest of a creation, and a host boots few
// kernels many times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace vm
{

/// A directory of unpacked kernels, each under a name that tells the state of the file it came from: a kernel that is
/// replaced or changed is another one. Nothing here fails loudly: what cannot be kept is unpacked again. Any number of
/// processes may use it at a time.
class KernelCache
{
public:
    struct Limits
    {
        /// Of all entries together. They take an eighth of their file system at most, too, whatever it is: a control
        /// domain may have its root in memory.
        std::uint64_t bytes = std::uint64_t{1} << 30;
        /// A file that changed this lately may change once more without a new time: it is not kept.
        std::int64_t settled_seconds = 2;
    };

    KernelCache() : KernelCache(default_directory(), Limits()) {}
    KernelCache(std::string directory, Limits limits);
    /// $TESSERA_CACHE_DIR or /var/cache/tessera, and kernels/ in it.
    static std::string default_directory();

    /// The path of the entry of the kernel file in its present state, kept or not; nothing for files that are not to be kept.
    [[nodiscard]] std::optional<std::string> place_of(std::string const& kernel) const;
    /// Whether something is kept there. It may be gone by the time it is opened.
    [[nodiscard]] static bool has(std::string const& place);
    /// Keeps an unpacked kernel, and lets older entries go when there are too many. `place` is that of its file both before
    /// and after it was read: one that was replaced meanwhile would be kept as what it no longer is.
    void keep(std::string const& place, std::span<std::byte const> unpacked) const;
    /// The entry was of use: it goes after others.
    static void renew(std::string const& entry);
    static void forget(std::string const& entry);

private:
    void make_room(std::uint64_t limit, std::string const& newest) const;

    std::string directory_;
    Limits limits_;
};

} // namespace vm
