// SPDX-License-Identifier: MIT
// The four functions that compilers expect everywhere, made of the string instructions (fast on every CPU of the last
// decade, and one instruction per call in instruction counts). Weak: a tuned version elsewhere replaces them.
#include <cstddef>
#include <cstdint>

namespace
{

[[gnu::always_inline]] inline void* copy_upwards(void* destination, void const* source, std::size_t count)
{
    void* to = destination;
    std::size_t words = count >> 3;
    asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
    std::size_t rest = count & 7;
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
    return destination;
}

} // namespace

extern "C"
{

    [[gnu::weak]] void* memcpy(void* destination, void const* source, std::size_t count)
    {
        return copy_upwards(destination, source, count);
    }

    [[gnu::weak]] void* memmove(void* destination, void const* source, std::size_t count)
    {
        auto* to = static_cast<char*>(destination);
        auto const* from = static_cast<char const*>(source);
        if (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from) >= count)
            return copy_upwards(destination, source, count);
        to += count - 1;
        from += count - 1;
        asm volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        return destination;
    }

    [[gnu::weak]] void* memset(void* destination, int value, std::size_t count)
    {
        void* to = destination;
        std::uint64_t const pattern = 0x0101010101010101u * static_cast<unsigned char>(value);
        std::size_t words = count >> 3;
        asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
        std::size_t rest = count & 7;
        asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
        return destination;
    }

    [[gnu::weak]] int memcmp(void const* left, void const* right, std::size_t count)
    {
        auto const* a = static_cast<unsigned char const*>(left);
        auto const* b = static_cast<unsigned char const*>(right);
        for (std::size_t i = 0; i < count; ++i)
            if (a[i] != b[i])
                return a[i] < b[i] ? -1 : 1;
        return 0;
    }

    [[gnu::weak]] void* memchr(void const* text, int value, std::size_t count)
    {
        auto const* at = static_cast<unsigned char const*>(text);
        for (std::size_t i = 0; i < count; ++i)
            if (at[i] == static_cast<unsigned char>(value))
                return const_cast<unsigned char*>(at + i);
        return nullptr;
    }

    [[gnu::weak]] std::size_t strlen(char const* text)
    {
        std::size_t length = 0;
        while (text[length] != '\0')
            ++length;
        return length;
    }

} // extern "C"
