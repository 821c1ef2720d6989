// SPDX-License-Identifier: MIT
// Registers of MSI and MSI-X (PCI Local Bus 3.0, 6.8.1 and 6.8.2).
#include <core/irq/msi.hpp>

#include <core/mm/device_memory.hpp>
#include <core/mm/frame.hpp>

namespace hv
{
namespace
{

constexpr std::uint32_t kCommand = 0x04;
constexpr std::uint32_t kCommandMemory = 1u << 1;
constexpr std::uint32_t kStatus = 0x06;
constexpr std::uint32_t kStatusCapabilities = 1u << 4;
constexpr std::uint32_t kHeaderType = 0x0e;
constexpr std::uint32_t kFirstBar = 0x10;
constexpr std::uint32_t kCapabilities = 0x34;
constexpr std::uint8_t kMsi = 0x05;
constexpr std::uint8_t kMsix = 0x11;
constexpr unsigned kMostCapabilities = 48; // as many as fit into 192 bytes

constexpr std::uint32_t kMsiEnabledMessages = 7u << 4;
constexpr std::uint32_t kMsiWide = 1u << 7;
constexpr std::uint32_t kMsiMaskable = 1u << 8;
constexpr std::uint32_t kEntryBytes = 16;
constexpr std::uint32_t kEntryMasked = 1;

constinit SpinLock registers_lock{LockRank::MessageRegisters}; // mask bits of a function share a register

std::uint32_t read(PciFunction function, std::uint32_t offset, unsigned bytes)
{
    return device_machine().pci_read(function, offset, bytes);
}

void write(PciFunction function, std::uint32_t offset, unsigned bytes, std::uint32_t value)
{
    device_machine().pci_write(function, offset, bytes, value);
}

bool exists(PciFunction function)
{
    return function.segment == 0 && read(function, 0, 2) != 0xffff;
}

// Offset of the capability, 0 when there is none.
std::uint8_t find_capability(PciFunction function, std::uint8_t id)
{
    if ((read(function, kStatus, 2) & kStatusCapabilities) == 0)
        return 0;
    auto at = static_cast<std::uint8_t>(read(function, kCapabilities, 1) & 0xfc);
    for (unsigned i = 0; i < kMostCapabilities && at >= 0x40; ++i)
    {
        std::uint32_t const header = read(function, at, 2);
        if ((header & 0xff) == id)
            return at;
        at = static_cast<std::uint8_t>((header >> 8) & 0xfc);
    }
    return 0;
}

// Base of a memory BAR; 0 when it is unassigned, not memory, or not there (virtual functions have theirs elsewhere).
std::uint64_t bar_base(PciFunction function, unsigned bar)
{
    constexpr std::uint32_t kIo = 1, kTypeMask = 6, kType64 = 4, kFlags = 0xf;
    bool const bridge = (read(function, kHeaderType, 1) & 0x7f) == 1;
    if (bar >= (bridge ? 2u : 6u))
        return 0;
    std::uint32_t const low = read(function, kFirstBar + 4 * bar, 4);
    if ((low & kIo) != 0)
        return 0;
    std::uint64_t base = low & ~kFlags;
    if ((low & kTypeMask) == kType64)
        base |= std::uint64_t{read(function, kFirstBar + 4 * bar + 4, 4)} << 32;
    return base;
}

// A BAR can be set to any address: what we write to must not be RAM, nor a controller of ours.
bool is_device_frame(Mfn frame)
{
    FrameInfo const* const ram = frame_info(frame);
    return (ram == nullptr || ram->owner() == kDomainIo) && device_frame_allowed(frame);
}

std::uint32_t msi_data_offset(MsiSource const& source)
{
    return source.capability + (source.wide ? 0xcu : 8u);
}

std::uint32_t msi_mask_offset(MsiSource const& source)
{
    return source.capability + (source.wide ? 0x10u : 0xcu);
}

Result<MsiSource> locate_msi(MsiRequest const& request)
{
    MsiSource source;
    source.function = request.function;
    source.capability = find_capability(request.function, kMsi);
    HV_REQUIRE(source.capability != 0, Errno::NoDev);
    std::uint32_t const control = read(request.function, source.capability + 2u, 2);
    HV_REQUIRE(request.count <= 1u << ((control >> 1) & 7), Errno::NoSpc);
    source.wide = (control & kMsiWide) != 0;
    source.maskable = (control & kMsiMaskable) != 0;
    return source;
}

Result<MsiSource> locate_msix(MsiRequest const& request)
{
    MsiSource source;
    source.function = request.function;
    source.capability = find_capability(request.function, kMsix);
    HV_REQUIRE(source.capability != 0, Errno::NoDev);
    HV_REQUIRE(request.count == 1, Errno::Inval);
    HV_REQUIRE(request.entry <= (read(request.function, source.capability + 2u, 2) & 0x7ff), Errno::Inval);
    HV_REQUIRE((read(request.function, kCommand, 2) & kCommandMemory) != 0, Errno::NxIo);
    std::uint32_t const place = read(request.function, source.capability + 4u, 4);
    std::uint64_t const bar = bar_base(request.function, place & 7);
    HV_REQUIRE(bar == 0 || bar == request.table_base, Errno::Inval);
    std::uint64_t const address = request.table_base + (place & ~7u) + std::uint64_t{request.entry} * kEntryBytes;
    HV_REQUIRE(address >= request.table_base && address < 1ull << 52 && address % kEntryBytes == 0, Errno::Inval);
    Mfn const frame = to_mfn(MachineAddress{address});
    HV_REQUIRE(is_device_frame(frame), Errno::Inval);
    std::uint32_t volatile* const page = device_machine().map_registers(frame);
    HV_REQUIRE(page != nullptr, Errno::NoSpc);
    source.entry = page + (address & ~kPageMask) / sizeof(std::uint32_t);
    source.maskable = true;
    return source;
}

void program_msix(MsiSource const& source)
{
    source.entry[3] = source.entry[3] | kEntryMasked;
    source.entry[0] = static_cast<std::uint32_t>(source.message.address);
    source.entry[1] = static_cast<std::uint32_t>(source.message.address >> 32);
    source.entry[2] = source.message.data;
}

} // namespace

Result<MsiSource> msi_locate(MsiRequest const& request)
{
    HV_REQUIRE(exists(request.function), Errno::NoDev);
    return request.table_base != 0 ? locate_msix(request) : locate_msi(request);
}

void msi_program(MsiSource const& source, std::uint32_t count)
{
    Guard guard(registers_lock);
    if (source.entry != nullptr)
    {
        program_msix(source);
        return;
    }
    if (source.index != 0)
        return; // the function adds the index to the first message's data itself
    std::uint32_t const at = source.capability;
    if (source.maskable)
        write(source.function, msi_mask_offset(source), 4, ~0u);
    std::uint32_t const log = static_cast<std::uint32_t>(__builtin_ctz(count));
    std::uint32_t const control = read(source.function, at + 2, 2) & ~kMsiEnabledMessages;
    write(source.function, at + 2, 2, control | (log << 4));
    write(source.function, at + 4, 4, static_cast<std::uint32_t>(source.message.address));
    if (source.wide)
        write(source.function, at + 8, 4, static_cast<std::uint32_t>(source.message.address >> 32));
    write(source.function, msi_data_offset(source), 2, source.message.data);
}

void msi_set_mask(MsiSource const& source, bool masked)
{
    if (!source.maskable)
        return; // what comes while nobody is bound is dropped
    Guard guard(registers_lock);
    if (source.entry != nullptr)
    {
        std::uint32_t const control = source.entry[3];
        source.entry[3] = masked ? control | kEntryMasked : control & ~kEntryMasked;
        (void)source.entry[3]; // the read pushes the posted write out
        return;
    }
    std::uint32_t const bit = 1u << source.index;
    std::uint32_t const bits = read(source.function, msi_mask_offset(source), 4);
    write(source.function, msi_mask_offset(source), 4, masked ? bits | bit : bits & ~bit);
}

Result<MsixTable> msix_table(PciFunction function)
{
    HV_REQUIRE(exists(function), Errno::NoDev);
    MsixTable found;
    std::uint8_t const capability = find_capability(function, kMsix);
    if (capability == 0)
        return found;
    std::uint32_t const table = read(function, capability + 4u, 4);
    std::uint32_t const pending = read(function, capability + 8u, 4);
    std::uint64_t const table_bar = bar_base(function, table & 7);
    std::uint64_t const pending_bar = bar_base(function, pending & 7);
    if (table_bar == 0 || pending_bar == 0)
        return found;
    found.table = MachineAddress{table_bar + (table & ~7u)};
    found.pending = MachineAddress{pending_bar + (pending & ~7u)};
    found.entries = (read(function, capability + 2u, 2) & 0x7ff) + 1;
    return found;
}

} // namespace hv
