// SPDX-License-Identifier: MIT
// The hypervisor's final page tables: built once during boot, shared by every address space of the machine.
//
//   slot 256  M2P            2 MiB pages, read-only, user, NX
//   slot 257  frame table    2 MiB pages, NX
//   slot 258  image          4 KiB pages, W^X by section; per-CPU regions; devices
//   slot 259  windows        L3 present, window 0 page 14 = the reserved GDT page; the rest is added later
//   slot 264+ direct map     of RAM and ACPI areas; largest pages possible, NX, our text and read-only data read-only
#pragma once

#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{

// Flags of a leaf of ours. Global and NX are added where the CPU has them.
enum class Protection : std::uint8_t
{
    ReadOnly,
    ReadWrite,
    Execute, // and read, never write
    Device,  // read-write, uncached
    UserReadOnly,
};

// Builds and loads the tables; allocates M2P (filled with ~0) and frame table (zeroed). Boot CPU, on the boot stack.
void build_page_tables();

// CR3 value of the page table without a guest half.
std::uint64_t idle_root();

// A root below 4 GiB that also maps `page` one to one, executable: what a CPU in 32-bit mode can load.
MachineAddress build_trampoline_root(MachineAddress page);

// Entries 256..271 for every L4 of the machine.
void hypervisor_l4_slots(std::uint64_t out[16]);

// The M2P as 2 MiB machine-contiguous chunks, in order of machine frame.
std::uint32_t m2p_chunk_count();
Mfn m2p_chunk(std::uint32_t index); // first frame of the chunk
std::uint64_t* m2p_writable();      // one contiguous writable view of all chunks

// Maps 4 KiB pages of the hypervisor's part; tables on the way must exist or boot memory must still be available.
void map_pages(std::uint64_t address, MachineAddress target, std::uint64_t size, Protection protection);

// Maps device registers or firmware tables at a fresh address in layout::kDevices. Never unmapped: a few boot-time
// users only. Large requests use 2 MiB pages. Stops the machine when the area is full.
void* map_device(MachineAddress start, std::uint64_t size);
void* map_firmware(MachineAddress start, std::uint64_t size); // cached and read-only

// Our present mapping of an address in the hypervisor's part: machine address or false.
bool translate(std::uint64_t address, MachineAddress& out);

} // namespace hv
