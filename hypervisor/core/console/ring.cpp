// SPDX-License-Identifier: MIT
// Position arithmetic of the console ring; all differences are taken modulo 2^32.
#include <core/console/ring.hpp>

namespace hv
{

void ConsoleRing::write(std::span<char const> text)
{
    for (char const c : text)
        at(end_++) = c;
    if (end_ - first_ > memory_.size())
        first_ = end_ - static_cast<std::uint32_t>(memory_.size());
}

std::size_t ConsoleRing::read(std::uint32_t& position, std::span<char> out) const
{
    std::uint32_t const held = end_ - first_;
    if (end_ - position > held)
        position = first_;
    std::size_t count = 0;
    while (position != end_ && count < out.size())
        out[count++] = at(position++);
    return count;
}

void ConsoleRing::move_to(std::span<char> memory)
{
    ConsoleRing const old = *this;
    memory_ = memory;
    if (end_ - first_ > memory_.size())
        first_ = end_ - static_cast<std::uint32_t>(memory_.size());
    for (std::uint32_t position = first_; position != end_; ++position)
        at(position) = old.at(position);
}

} // namespace hv
