// SPDX-License-Identifier: MIT
// Copying to and from the memory of the current vCPU through the address space that is loaded.
//
// A fault is either foreseen (the copy ends short) or spurious: the TLB held an older, stricter entry, the CPU dropped it
// with the fault, and handle_own_trap() runs the instruction again after it saw that the tables allow the access.
#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/entry/smap.hpp>
#include <arch/x86_64/pv/guest_copy.hpp>
#include <lib/strong.hpp>
#include <port/port.hpp>

#include <utility>

namespace hv
{
namespace
{

// Returns the number of bytes not copied.
inline std::size_t copy_guarded(void* to, void const* from, std::size_t bytes)
{
    std::size_t left = bytes / 8;
    open_user_access();
    asm volatile("1: rep movsq\n\t"
                 "mov %[rest], %%rcx\n\t"
                 "2: rep movsb\n\t"
                 "4:\n\t"
                 ".pushsection .text.unlikely, \"ax\", @progbits\n\t"
                 "3: lea (%[rest], %%rcx, 8), %%rcx\n\t"
                 "jmp 4b\n\t"
                 ".popsection\n\t" HV_FIXUP("1b", "3b") HV_FIXUP("2b", "4b")
                 : "+D"(to), "+S"(from), "+c"(left)
                 : [rest] "r"(bytes % 8)
                 : "memory");
    close_user_access();
    return left;
}

} // namespace

std::size_t copy_from_guest_partly(void* to, std::uint64_t address, std::size_t bytes)
{
    if (!may_start_guest_range(address))
        return 0;
    return bytes - copy_guarded(to, reinterpret_cast<void const*>(address), bytes);
}

bool port::copy_from_guest(void* destination, GuestVirtual source, std::size_t bytes)
{
    bool const copied = may_start_guest_range(source.raw()) &&
                        copy_guarded(destination, reinterpret_cast<void const*>(source.raw()), bytes) == 0;
    return copied || bytes == 0;
}

bool port::copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes)
{
    bool const copied = may_start_guest_range(destination.raw()) &&
                        copy_guarded(reinterpret_cast<void*>(destination.raw()), source, bytes) == 0;
    return copied || bytes == 0;
}

bool port::store_to_guest(GuestVirtual destination, std::uint64_t value)
{
    return store_words(destination.raw(), value);
}

template<std::size_t kWords>
bool port::load_words_from_guest(std::uint64_t (&words)[kWords], GuestVirtual source)
{
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return load_words(source.raw(), words[I]...);
    }(std::make_index_sequence<kWords>{});
}

template<std::size_t kWords>
bool port::store_words_to_guest(GuestVirtual destination, std::uint64_t const (&words)[kWords])
{
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return store_words(destination.raw(), words[I]...);
    }(std::make_index_sequence<kWords>{});
}

#define HV_WORDS(count) \
    template bool port::load_words_from_guest<count>(std::uint64_t(&)[count], GuestVirtual); \
    template bool port::store_words_to_guest<count>(GuestVirtual, std::uint64_t const(&)[count]);
HV_WORDS(1)
HV_WORDS(2)
HV_WORDS(3)
HV_WORDS(4)
HV_WORDS(5)
HV_WORDS(6)
HV_WORDS(7)
HV_WORDS(8)
#undef HV_WORDS

bool port::update_short_in_guest(GuestVirtual object, std::size_t offset, std::uint16_t value)
{
    // Reading began at an address that is not ours and went upwards without a fault, while below our part every address
    // faults: so all of the structure is the guest's.
    open_user_access();
    bool const stored = detail::store_word(object.raw() + offset, value);
    close_user_access();
    return stored;
}

bool port::load_half_from_guest(std::uint32_t& half, GuestVirtual source)
{
    return load_words(source.raw(), half);
}

} // namespace hv
