// SPDX-License-Identifier: MIT
// The one formatter behind log lines and panics; it must work at any time, so it neither allocates nor locks.
#include <lib/format.hpp>

namespace hv
{
namespace
{

class Writer
{
public:
    explicit Writer(std::span<char> out) : out_(out) {}

    void put(char c)
    {
        if (length_ + 1 < out_.size())
            out_[length_++] = c;
    }

    void put_text(char const* text)
    {
        for (text = text != nullptr ? text : "(null)"; *text != '\0'; ++text)
            put(*text);
    }

    void put_number(std::uint64_t value, unsigned base, bool negative)
    {
        char digits[24];
        unsigned count = 0;
        do
        {
            digits[count++] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        if (negative)
            put('-');
        while (count != 0)
            put(digits[--count]);
    }

    void put_argument(FormatArgument const& argument, bool hexadecimal)
    {
        bool const negative =
            argument.kind == FormatArgument::Kind::Signed && static_cast<std::int64_t>(argument.value) < 0;
        if (argument.kind == FormatArgument::Kind::Text)
            put_text(reinterpret_cast<char const*>(argument.value));
        else if (hexadecimal)
            put_number(argument.value, 16, false);
        else
            put_number(negative ? 0 - argument.value : argument.value, 10, negative);
    }

    std::size_t finish()
    {
        if (!out_.empty())
            out_[length_] = '\0';
        return length_;
    }

private:
    std::span<char> out_;
    std::size_t length_ = 0;
};

} // namespace

std::size_t format_to(std::span<char> out, char const* pattern, std::span<FormatArgument const> arguments)
{
    Writer writer(out);
    std::size_t next = 0;
    for (char const* c = pattern; *c != '\0'; ++c)
    {
        bool const hexadecimal = c[0] == '{' && c[1] == 'x' && c[2] == '}';
        if (c[0] == '{' && c[1] == '{')
        {
            writer.put(*c++);
        }
        else if (hexadecimal || (c[0] == '{' && c[1] == '}'))
        {
            if (next < arguments.size())
                writer.put_argument(arguments[next++], hexadecimal);
            c += hexadecimal ? 2 : 1;
        }
        else
        {
            writer.put(*c);
        }
    }
    return writer.finish();
}

} // namespace hv
