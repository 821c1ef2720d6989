// SPDX-License-Identifier: MIT
// Type-safe text formatting without allocation: "{}" decimal or text, "{x}" hexadecimal, "{{" a brace.
#pragma once

#include <lib/strong.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace hv
{

struct FormatArgument
{
    enum class Kind : std::uint8_t
    {
        Unsigned,
        Signed,
        Text,
    };
    Kind kind;
    std::uint64_t value; // number, or pointer to NUL-terminated text

    constexpr FormatArgument(std::unsigned_integral auto number) : kind(Kind::Unsigned), value(number) {}
    constexpr FormatArgument(std::signed_integral auto number)
        : kind(Kind::Signed), value(static_cast<std::uint64_t>(static_cast<std::int64_t>(number)))
    {
    }
    FormatArgument(char const* text) : kind(Kind::Text), value(reinterpret_cast<std::uint64_t>(text)) {}
    FormatArgument(void const* address) : kind(Kind::Unsigned), value(reinterpret_cast<std::uint64_t>(address)) {}
    template<typename Tag, typename Rep>
    constexpr FormatArgument(Strong<Tag, Rep> number) : FormatArgument(number.raw())
    {
    }
    template<typename E>
        requires std::is_enum_v<E>
    constexpr FormatArgument(E number) : FormatArgument(static_cast<std::underlying_type_t<E>>(number))
    {
    }
};

// Writes at most `out.size() - 1` characters and a NUL; returns the number of characters written.
std::size_t format_to(std::span<char> out, char const* pattern, std::span<FormatArgument const> arguments);

template<typename... Args>
std::size_t format(std::span<char> out, char const* pattern, Args const&... args)
{
    FormatArgument const list[sizeof...(Args) + 1] = {FormatArgument(args)..., FormatArgument(0u)};
    return format_to(out, pattern, std::span<FormatArgument const>(list, sizeof...(Args)));
}

} // namespace hv
