// SPDX-License-Identifier: MIT
// Memory of the simulated guests: blocks outside the machine's RAM, and pages found through page tables.
#include "state.hpp"

#include <cstring>
#include <map>
#include <memory>

namespace hv::host
{
namespace
{

std::map<std::uint64_t, std::pair<std::unique_ptr<std::byte[]>, std::size_t>> guest_blocks;

std::byte* in_guest_block(std::uint64_t address, std::size_t bytes)
{
    auto found = guest_blocks.upper_bound(address);
    if (found == guest_blocks.begin())
        return nullptr;
    --found;
    std::uint64_t const offset = address - found->first;
    if (offset + bytes > found->second.second)
        return nullptr;
    return found->second.first.get() + offset;
}

// Walks the current vCPU's kernel root; nullptr when the access would fault.
std::byte* walk(std::uint64_t address, bool write)
{
    Vcpu const* const vcpu = cpus[current_cpu].current;
    if (vcpu == nullptr || vcpu->pv.kernel_root == kInvalidMfn || !is_guest_address(address))
        return nullptr;
    Mfn table = vcpu->pv.kernel_root;
    for (int level = 4; level >= 1; --level)
    {
        auto const* const entries = reinterpret_cast<std::uint64_t const*>(port::frame_data(table));
        std::uint64_t const entry = entries[(address >> (12 + 9 * (level - 1))) & 511];
        if ((entry & 1) == 0 || (write && (entry & 2) == 0))
            return nullptr;
        table = Mfn{(entry & 0x000ffffffffff000) >> kPageShift};
        if (table >= port::max_mfn())
            return nullptr;
    }
    return port::frame_data(table) + (address & (kPageSize - 1));
}

// All memory here is the guest kernels'.
bool within_reach()
{
    Vcpu const* const vcpu = cpus[current_cpu].current;
    return vcpu == nullptr || vcpu->pv.in_kernel || vcpu == shown_vcpu;
}

template<typename F>
bool copy_by_page(std::uint64_t address, std::size_t bytes, bool write, F&& move)
{
    if (!within_reach())
        return false;
    if (std::byte* const block = in_guest_block(address, bytes))
    {
        move(block, 0, bytes);
        return true;
    }
    for (std::size_t done = 0; done < bytes;)
    {
        std::size_t const part = std::min<std::size_t>(bytes - done, kPageSize - ((address + done) & (kPageSize - 1)));
        std::byte* const at = walk(address + done, write);
        if (at == nullptr)
            return false;
        move(at, done, part);
        done += part;
    }
    return true;
}

} // namespace

bool copy_in(void* destination, std::uint64_t source, std::size_t bytes)
{
    return copy_by_page(source, bytes, false, [&](std::byte* at, std::size_t done, std::size_t part) {
        std::memcpy(static_cast<std::byte*>(destination) + done, at, part);
    });
}

bool copy_out(std::uint64_t destination, void const* source, std::size_t bytes)
{
    return copy_by_page(destination, bytes, true, [&](std::byte* at, std::size_t done, std::size_t part) {
        std::memcpy(at, static_cast<std::byte const*>(source) + done, part);
    });
}

std::uint64_t guest_allocate(std::size_t bytes)
{
    auto block = std::make_unique<std::byte[]>(bytes);
    auto const address = reinterpret_cast<std::uint64_t>(block.get());
    guest_blocks[address] = {std::move(block), bytes};
    return address;
}

void guest_release_all()
{
    guest_blocks.clear();
}

void* guest_data(std::uint64_t address)
{
    return reinterpret_cast<void*>(address);
}

} // namespace hv::host
