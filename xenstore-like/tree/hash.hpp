// SPDX-License-Identifier: MIT
// Keyed hashing of path components, so that no client can choose names that degrade the tree or the watch index.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tessera::store
{

// Secret of one daemon; drawn from the kernel at start, fixed in tests.
struct HashKey
{
    std::uint64_t first = 0x9e3779b97f4a7c15ULL;
    std::uint64_t second = 0xd1b54a32d192ed03ULL;
};

inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b)
{
    auto const product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The first eight bytes of a name as a big-endian number, padded with zeros: comparing two keys compares the
// names' beginnings, because names hold no NUL.
inline std::uint64_t name_key(std::string_view name)
{
    auto const load32 = [](char const* from) {
        std::uint32_t word;
        std::memcpy(&word, from, sizeof word);
        return std::uint64_t{__builtin_bswap32(word)};
    };
    auto const* bytes = name.data();
    std::size_t const size = name.size();
    if (size >= 8)
    {
        std::uint64_t word;
        std::memcpy(&word, bytes, sizeof word);
        return __builtin_bswap64(word);
    }
    if (size >= 4)
    {
        std::uint64_t const low = (load32(bytes + size - 4) << ((8 - size) * 8)) & 0xffffffffULL;
        return (load32(bytes) << 32) | low;
    }
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < size; ++i)
    {
        key |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (56 - 8 * i);
    }
    return key;
}

// Hash of a whole component, given its key and its length; `tail` is what follows the first eight bytes.
inline std::uint64_t hash_name(HashKey const& secret, std::uint64_t key, std::size_t length, std::string_view tail)
{
    std::uint64_t hash = fold_multiply(key ^ secret.first, secret.second ^ length);
    while (!tail.empty())
    {
        std::string_view const chunk = tail.substr(0, 8);
        hash = fold_multiply(hash ^ name_key(chunk), secret.second);
        tail.remove_prefix(chunk.size());
    }
    return hash;
}

// Hash of a path from the hash of its parent and its last component, given as for hash_name().
inline std::uint64_t hash_child(HashKey const& secret, std::uint64_t parent, std::uint64_t key, std::size_t length,
                                std::string_view tail)
{
    return hash_name({parent, secret.second}, key, length, tail);
}

} // namespace tessera::store
