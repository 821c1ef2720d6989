// SPDX-License-Identifier: MIT
// One registered watch; linked into the index by path and into its client's list.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace tessera::store {

struct Client;

inline constexpr std::uint32_t kAnyDepth = std::numeric_limits<std::uint32_t>::max();

struct Watch {
    Client* client = nullptr;
    std::string path;            // absolute, or a special name
    std::string ending;          // NUL, token, NUL: what follows the path in every event
    std::uint32_t prefix = 0;    // characters of `path` that the client did not write (relative watches)
    std::uint32_t depth = kAnyDepth;
    bool missed = false;         // an event was withheld because the client does not read; one summary is due
    std::uint64_t path_hash = 0;

    Watch* previous_at_path = nullptr;
    Watch* next_at_path = nullptr;
    Watch* previous_of_client = nullptr;
    Watch* next_of_client = nullptr;

    [[nodiscard]] std::string_view token() const { return std::string_view(ending).substr(1, ending.size() - 2); }
    [[nodiscard]] std::string_view own_path() const { return std::string_view(path).substr(prefix); }
    [[nodiscard]] std::size_t bytes() const { return sizeof(Watch) + path.size() + ending.size(); }
};

}  // namespace tessera::store
