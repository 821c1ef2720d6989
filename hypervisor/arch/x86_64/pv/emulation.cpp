// SPDX-License-Identifier: MIT
// What the emulator needs of this CPU and of the machine.
#include <arch/x86_64/pv/emulation.hpp>

#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/irq/pci_config.hpp>
#include <arch/x86_64/pv/fpu.hpp>
#include <arch/x86_64/pv/guest_copy.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <arch/x86_64/pv/tsc_aux.hpp>
#include <arch/x86_64/time/cmos.hpp>
#include <core/domain/hypercall_page.hpp>
#include <core/domain/roots.hpp>
#include <core/mm/pte.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/descriptor.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::int32_t kRootBudget = 4096;

} // namespace

std::size_t GuestEmulation::fetch(std::uint64_t address, void* into, std::size_t bytes)
{
    if (std::uint64_t words[2]; bytes == sizeof words && load_words(address, words[0], words[1])) [[likely]]
    {
        __builtin_memcpy(into, words, sizeof words);
        return sizeof words;
    }
    return copy_from_guest_partly(into, address, bytes);
}

bool GuestEmulation::read(std::uint64_t address, void* into, std::size_t bytes)
{
    return port::copy_from_guest(into, GuestVirtual{address}, bytes);
}

bool GuestEmulation::write(std::uint64_t address, void const* from, std::size_t bytes)
{
    return port::copy_to_guest(GuestVirtual{address}, from, bytes);
}

bool GuestEmulation::read_kernel(std::uint64_t address, void* into, std::size_t bytes)
{
    port::show_kernel_memory(vcpu_);
    bool const copied = read(address, into, bytes);
    port::hide_kernel_memory(vcpu_);
    return copied;
}

bool GuestEmulation::read_descriptor(std::uint16_t selector, std::uint64_t& descriptor)
{
    std::uint32_t const index = selector >> 3;
    if ((selector & 4) != 0)
        return index < vcpu_.pv.ldt_entries && read_kernel(vcpu_.pv.ldt_base + index * 8, &descriptor, 8);
    if (policy::is_reserved_selector(selector))
    {
        // The flat segments that guests may use (public header arch-x86/xen-x86_64.h).
        descriptor = (selector | 3) == layout::kSelectorGuestCode64   ? 0x00affb000000ffff
                     : (selector | 3) == layout::kSelectorGuestCode32 ? 0x00cffb000000ffff
                                                                      : 0x00cff3000000ffff;
        return true;
    }
    if (index >= vcpu_.pv.gdt_entries)
        return false;
    Mfn const frame = vcpu_.pv.gdt_frames[index / 512];
    descriptor = reinterpret_cast<std::uint64_t const*>(port::frame_data(frame))[index % 512];
    return true;
}

std::uint64_t GuestEmulation::fs_base()
{
    return hv::read_msr(msr::kFsBase);
}

std::uint64_t GuestEmulation::gs_base()
{
    return hv::read_msr(msr::kGsBase);
}

std::uint64_t GuestEmulation::inactive_gs_base()
{
    return hv::read_msr(msr::kKernelGsBase);
}

void GuestEmulation::set_fs_base(std::uint64_t base)
{
    hv::write_msr(msr::kFsBase, base);
}

void GuestEmulation::set_gs_base(std::uint64_t base)
{
    hv::write_msr(msr::kGsBase, base);
}

void GuestEmulation::set_inactive_gs_base(std::uint64_t base)
{
    hv::write_msr(msr::kKernelGsBase, base);
}

std::uint64_t GuestEmulation::cr0()
{
    return read_cr0();
}

std::uint64_t GuestEmulation::cr4()
{
    return read_cr4();
}

void GuestEmulation::task_switched_changed()
{
    load_fpu_controls(vcpu_.pv);
}

void GuestEmulation::cr4_changed()
{
    write_cr4(policy::hardware_cr4(read_cr4(), vcpu_.pv.cr4));
}

void GuestEmulation::xcr0_changed()
{
    load_fpu_controls(vcpu_.pv);
}

void GuestEmulation::tsc_aux_changed()
{
    load_tsc_aux(vcpu_);
}

Result<void> GuestEmulation::load_kernel_root(Mfn root)
{
    // A root whose tables are pinned already, as every guest's are, takes no time. Validating a large one does not fit
    // into an instruction: it is refused (#GP), and a hypercall can do it in pieces.
    Budget budget(kRootBudget);
    return change_kernel_root(vcpu_, root, budget);
}

bool GuestEmulation::write_hypercall_page(GuestFrame frame)
{
    return static_cast<bool>(hv::write_hypercall_page(vcpu_.domain(), frame));
}

std::uint32_t GuestEmulation::port_in(std::uint16_t port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

void GuestEmulation::port_out(std::uint16_t port, unsigned bytes, std::uint32_t value)
{
    if (bytes == 1)
        out8(port, static_cast<std::uint8_t>(value));
    else if (bytes == 2)
        out16(port, static_cast<std::uint16_t>(value));
    else
        out32(port, value);
}

std::uint32_t GuestEmulation::pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes)
{
    return hv::pci_config_read(address, offset, bytes);
}

void GuestEmulation::pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value)
{
    hv::pci_config_write(address, offset, bytes, value);
}

std::uint8_t GuestEmulation::cmos_read(std::uint8_t index)
{
    return hv::cmos_read(index);
}

void GuestEmulation::cmos_write(std::uint8_t index, std::uint8_t value)
{
    hv::cmos_write(index, value);
}

bool GuestEmulation::read_msr(std::uint32_t index, std::uint64_t& value)
{
    return read_msr_guarded(index, value);
}

bool GuestEmulation::write_msr(std::uint32_t index, std::uint64_t value)
{
    return write_msr_guarded(index, value);
}

std::uint64_t GuestEmulation::tsc()
{
    return port::tsc();
}

Nanoseconds GuestEmulation::now()
{
    return port::now();
}

void GuestEmulation::write_back_caches()
{
    port::write_back_caches();
}

} // namespace hv
