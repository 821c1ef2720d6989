// SPDX-License-Identifier: MIT
// Guest memory of the current vCPU: copies that tell how far they came, and single words without a loop.
#pragma once

#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/entry/smap.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{

// Copies until the first byte that cannot be read; returns how many were.
std::size_t copy_from_guest_partly(void* to, std::uint64_t address, std::size_t bytes);

// Nothing of a range that starts here is ours. Below our part lies the hole of addresses that are not canonical, where
// every access faults, and copies go upwards: so only the start needs a look. What is left are guest addresses, and
// ranges that step over the top of the address space into the guest's own lower half.
inline bool may_start_guest_range(std::uint64_t address)
{
    constexpr std::uint64_t kSize = kHypervisorEnd - kHypervisorStart;
    static_assert((kSize & (kSize - 1)) == 0);
    return (address - kHypervisorStart) / kSize != 0;
}

namespace detail
{

// Volatile, although GCC's manual calls every asm goto so: one whose outputs nobody uses is dropped with its fault.
template<typename Word>
[[gnu::always_inline]] inline bool store_word(std::uint64_t address, Word value)
{
    asm volatile goto("1: mov %0, %1\n\t" HV_FIXUP("1b", "%l2")
                      :
                      : "r"(value), "m"(*reinterpret_cast<Word*>(address))
                      : "memory"
                      : fault);
    return true;
fault:
    return false;
}

template<typename Word>
[[gnu::always_inline]] inline bool load_word(std::uint64_t address, Word& value)
{
    Word word;
    asm volatile goto("1: mov %1, %0\n\t" HV_FIXUP("1b", "%l2")
                      : "=r"(word)
                      : "m"(*reinterpret_cast<Word const*>(address))
                      :
                      : fault);
    value = word;
    return true;
fault:
    return false;
}

} // namespace detail

// The words of a small structure, upwards, from and to registers; a single one may be smaller. False at the first that
// faults; those before it are done. Storing takes functions that give the words, each called when its turn comes: few
// registers are needed at once.
template<typename... Source>
[[gnu::always_inline]] inline bool store_words_of(std::uint64_t address, Source&&... source)
{
    if (!may_start_guest_range(address)) [[unlikely]]
        return false;
    open_user_access();
    address -= 8;
    if (!(detail::store_word(address += 8, source()) && ...)) [[unlikely]]
    {
        close_user_access();
        return false;
    }
    close_user_access();
    return true;
}

template<typename... Word>
[[gnu::always_inline]] inline bool store_words(std::uint64_t address, Word const&... words)
{
    return store_words_of(address, [&] { return words; }...);
}

template<typename... Word>
[[gnu::always_inline]] inline bool load_words(std::uint64_t address, Word&... words)
{
    if (!may_start_guest_range(address)) [[unlikely]]
        return false;
    open_user_access();
    address -= 8;
    if (!(detail::load_word(address += 8, words) && ...)) [[unlikely]]
    {
        close_user_access();
        return false;
    }
    close_user_access();
    return true;
}

} // namespace hv
