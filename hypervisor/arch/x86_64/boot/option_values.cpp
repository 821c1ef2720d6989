// SPDX-License-Identifier: MIT
// Values of command-line options: numbers, sizes, amounts. No state, so it also builds hosted.
#include <arch/x86_64/boot/options.hpp>

namespace hv
{
namespace
{

int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

} // namespace

bool parse_number(std::string_view text, std::uint64_t& value)
{
    unsigned base = 10;
    if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
    {
        base = 16;
        text.remove_prefix(2);
    }
    if (text.empty())
        return false;
    value = 0;
    for (char const c : text)
    {
        int const digit = digit_of(c);
        if (digit >= static_cast<int>(base))
            return false;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, static_cast<std::uint64_t>(digit), &value))
            return false;
    }
    return true;
}

bool parse_size(std::string_view text, std::uint64_t& bytes)
{
    unsigned shift = 10;
    if (!text.empty())
    {
        char const unit = text.back();
        unsigned const known = unit == 'b' || unit == 'B'   ? 0
                               : unit == 'k' || unit == 'K' ? 10
                               : unit == 'm' || unit == 'M' ? 20
                               : unit == 'g' || unit == 'G' ? 30
                               : unit == 't' || unit == 'T' ? 40
                                                            : 99;
        bool const hexadecimal = text.size() > 2 && text[1] == 'x' && (unit == 'b' || unit == 'B');
        if (known != 99 && !hexadecimal)
        {
            shift = known;
            text.remove_suffix(1);
        }
    }
    if (!parse_number(text, bytes) || (shift != 0 && (bytes >> (64 - shift)) != 0))
        return false;
    bytes <<= shift;
    return true;
}

std::uint64_t MemoryAmount::resolve(std::uint64_t available, std::uint64_t otherwise) const
{
    std::uint64_t amount = otherwise;
    if (kind == Kind::Absolute)
        amount = value;
    else if (kind == Kind::AllBut)
        amount = value < available ? available - value : 0;
    else if (kind == Kind::Percent)
        amount = available / 100 * value;
    return amount < available ? amount : available;
}

} // namespace hv
