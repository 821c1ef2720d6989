// SPDX-License-Identifier: MIT
// The emulator's view of the guest that runs on this CPU.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/emulate/context.hpp>

namespace hv
{

class GuestEmulation final : private emulate::EmulationPort
{
public:
    GuestEmulation(Vcpu& vcpu, TrapFrame& frame)
        : vcpu_(vcpu), context_{vcpu, reinterpret_cast<emulate::Registers&>(frame), *this}
    {
    }
    emulate::EmulationContext& context() { return context_; }

private:
    std::size_t fetch(std::uint64_t address, void* into, std::size_t bytes) override;
    bool read(std::uint64_t address, void* into, std::size_t bytes) override;
    bool write(std::uint64_t address, void const* from, std::size_t bytes) override;
    bool read_kernel(std::uint64_t address, void* into, std::size_t bytes) override;
    bool read_descriptor(std::uint16_t selector, std::uint64_t& descriptor) override;
    std::uint64_t fs_base() override;
    std::uint64_t gs_base() override;
    std::uint64_t inactive_gs_base() override;
    void set_fs_base(std::uint64_t base) override;
    void set_gs_base(std::uint64_t base) override;
    void set_inactive_gs_base(std::uint64_t base) override;
    std::uint64_t cr0() override;
    std::uint64_t cr4() override;
    void task_switched_changed() override;
    void cr4_changed() override;
    void xcr0_changed() override;
    void tsc_aux_changed() override;
    Result<void> load_kernel_root(Mfn root) override;
    bool write_hypercall_page(GuestFrame frame) override;
    std::uint32_t port_in(std::uint16_t port, unsigned bytes) override;
    void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) override;
    std::uint32_t pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes) override;
    void pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value) override;
    std::uint8_t cmos_read(std::uint8_t index) override;
    void cmos_write(std::uint8_t index, std::uint8_t value) override;
    bool read_msr(std::uint32_t index, std::uint64_t& value) override;
    bool write_msr(std::uint32_t index, std::uint64_t value) override;
    std::uint64_t tsc() override;
    Nanoseconds now() override;
    void write_back_caches() override;

    Vcpu& vcpu_;
    emulate::EmulationContext context_;
};

} // namespace hv
