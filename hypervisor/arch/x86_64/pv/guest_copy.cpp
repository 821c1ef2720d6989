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

namespace hv
{
namespace
{

// The whole range lies in the guest's part of the address space; a range may not wrap or step over the hole.
bool range_allowed(std::uint64_t address, std::size_t bytes)
{
    std::uint64_t const last = address + bytes - 1;
    return is_guest_address(address) && is_guest_address(last) && last >= address && ((address ^ last) >> 47) == 0;
}

// Returns the number of bytes not copied.
std::size_t copy_guarded(void* to, void const* from, std::size_t bytes)
{
    std::size_t words = bytes / 8;
    std::size_t rest = bytes % 8;
    open_user_access();
    asm volatile("1: rep movsq\n\t"
                 "mov %[rest], %%rcx\n\t"
                 "2: rep movsb\n\t"
                 "jmp 4f\n"
                 "3: lea (%[rest], %%rcx, 8), %%rcx\n"
                 "4:\n\t" HV_FIXUP("1b", "3b") HV_FIXUP("2b", "4b")
                 : "+D"(to), "+S"(from), "+c"(words)
                 : [rest] "r"(rest)
                 : "memory");
    close_user_access();
    return words;
}

} // namespace

std::size_t copy_from_guest_partly(void* to, std::uint64_t address, std::size_t bytes)
{
    if (bytes == 0 || !range_allowed(address, bytes))
        return 0;
    return bytes - copy_guarded(to, reinterpret_cast<void const*>(address), bytes);
}

bool port::copy_from_guest(void* destination, GuestVirtual source, std::size_t bytes)
{
    return bytes == 0 || copy_from_guest_partly(destination, source.raw(), bytes) == bytes;
}

bool port::copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes)
{
    if (bytes == 0)
        return true;
    return range_allowed(destination.raw(), bytes) &&
           copy_guarded(reinterpret_cast<void*>(destination.raw()), source, bytes) == 0;
}

} // namespace hv
