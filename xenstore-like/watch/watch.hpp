// SPDX-License-Identifier: MIT
// One registered watch; linked into the index by path and into its client's list.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

namespace tessera::store
{

struct Client;

inline constexpr std::uint32_t kAnyDepth = std::numeric_limits<std::uint32_t>::max();

// Path and token lie in one allocation, in the form in which events carry them: there may be a hundred thousand watches.
class Watch
{
public:
    Watch(std::string_view path, std::string_view token)
        : path_size_(static_cast<std::uint16_t>(path.size())),
          ending_size_(static_cast<std::uint16_t>(token.size() + 2)),
          text_(std::make_unique<char[]>(path.size() + token.size() + 2))
    {
        path.copy(text_.get(), path.size());
        token.copy(text_.get() + path.size() + 1, token.size());
    }

    Client* client = nullptr;
    std::uint32_t prefix = 0; // characters of `path` that the client did not write (relative watches)
    std::uint32_t depth = kAnyDepth;
    bool missed = false; // an event was withheld because the client does not read; one summary is due
    std::uint64_t path_hash = 0;
    Watch* previous_at_path = nullptr;
    Watch* next_at_path = nullptr;
    Watch* previous_of_client = nullptr;
    Watch* next_of_client = nullptr;

    // Absolute, or a special name.
    [[nodiscard]] std::string_view path() const { return {text_.get(), path_size_}; }

    // NUL, token, NUL: what follows the path in every event.
    [[nodiscard]] std::string_view ending() const { return {text_.get() + path_size_, ending_size_}; }
    [[nodiscard]] std::string_view token() const { return ending().substr(1, ending_size_ - 2U); }
    [[nodiscard]] std::string_view own_path() const { return path().substr(prefix); }
    [[nodiscard]] std::size_t bytes() const { return sizeof(Watch) + path_size_ + ending_size_; }

private:
    std::uint16_t path_size_; // both are far below 64 KiB: they come from one request
    std::uint16_t ending_size_;
    std::unique_ptr<char[]> text_;
};

} // namespace tessera::store
