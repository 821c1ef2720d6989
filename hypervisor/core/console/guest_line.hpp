// SPDX-License-Identifier: MIT
// Collects a guest's console output into whole lines, so that lines of several guests never mix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

// One per domain. Control characters other than tab are dropped; an overlong line is broken. The caller locks.
class GuestLine
{
public:
    static constexpr std::size_t kCapacity = 120;

    // Calls `line(std::span<char const>)`, without the line feed, for each line that is complete now.
    template<typename F>
    void add(std::span<char const> text, F&& line)
    {
        for (char const c : text)
        {
            bool const printable = static_cast<unsigned char>(c) >= 0x20 || c == '\t';
            if (printable)
                text_[length_++] = c;
            if (c == '\n' || length_ == kCapacity)
            {
                line(std::span<char const>(text_, length_));
                length_ = 0;
            }
        }
    }

private:
    char text_[kCapacity] = {};
    std::size_t length_ = 0;
};

} // namespace hv
