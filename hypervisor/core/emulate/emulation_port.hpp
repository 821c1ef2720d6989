// SPDX-License-Identifier: MIT
// What emulation needs from the machine while the vCPU's guest state is loaded on this CPU. The architecture implements
// it once; tests implement it with arrays. All calls refer to the vCPU that emulation was entered for.
#pragma once

#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>

namespace hv::emulate
{

class EmulationPort
{
public:
    // ---- guest memory through the page tables now loaded (kernel or user root); refuses the hypervisor's range.
    // Copies up to `bytes` from `address`, stopping at the first byte that cannot be read. Returns how many.
    virtual std::size_t fetch(std::uint64_t address, void* into, std::size_t bytes) = 0;
    virtual bool read(std::uint64_t address, void* into, std::size_t bytes) = 0; // all or nothing seen by the caller
    virtual bool write(std::uint64_t address, void const* from, std::size_t bytes) = 0;
    // Like read(), but through the kernel root whatever mode the guest is in.
    virtual bool read_kernel(std::uint64_t address, void* into, std::size_t bytes) = 0;
    // The 8 bytes of the guest's GDT or LDT entry that `selector` names; false when there is none.
    virtual bool read_descriptor(std::uint16_t selector, std::uint64_t& descriptor) = 0;

    // ---- registers kept in hardware while the vCPU runs
    virtual std::uint64_t fs_base() = 0;
    virtual std::uint64_t gs_base() = 0;              // the active one
    virtual std::uint64_t inactive_gs_base() = 0;     // what SWAPGS would make active
    virtual void set_fs_base(std::uint64_t base) = 0; // the address is canonical, here and below
    virtual void set_gs_base(std::uint64_t base) = 0;
    virtual void set_inactive_gs_base(std::uint64_t base) = 0;
    virtual std::uint64_t cr0() = 0; // the real register
    virtual std::uint64_t cr4() = 0; // the real register
    // PvState members changed: carry them into hardware before the guest runs on.
    virtual void task_switched_changed() = 0; // fpu_task_switched
    virtual void cr4_changed() = 0;           // cr4
    virtual void xcr0_changed() = 0;          // xcr0
    virtual void tsc_aux_changed() = 0;       // tsc_aux
    // Makes `root` the kernel root with the semantics of MMUEXT_NEW_BASEPTR.
    virtual Result<void> load_kernel_root(Mfn root) = 0;
    // Fills a guest page with hypercall stubs; false when the frame is not the guest's to write.
    virtual bool write_hypercall_page(GuestFrame frame) = 0;

    // ---- the real machine
    virtual std::uint32_t port_in(std::uint16_t port, unsigned bytes) = 0;
    virtual void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) = 0;
    // One access to configuration space by the 0xcf8 mechanism: `address` is the value of 0xcf8 with the enable bit set,
    // `offset` 0..3. Serialised with our own accesses; hides and protects what we own.
    virtual std::uint32_t pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes) = 0;
    virtual void pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value) = 0;
    // One CMOS register (0..127), serialised with our own accesses.
    virtual std::uint8_t cmos_read(std::uint8_t index) = 0;
    virtual void cmos_write(std::uint8_t index, std::uint8_t value) = 0;
    virtual bool read_msr(std::uint32_t index, std::uint64_t& value) = 0; // false: the CPU raised #GP
    virtual bool write_msr(std::uint32_t index, std::uint64_t value) = 0;
    virtual std::uint64_t tsc() = 0;
    virtual Nanoseconds now() = 0;
    virtual void write_back_caches() = 0;

protected:
    ~EmulationPort() = default;
};

} // namespace hv::emulate
