// SPDX-License-Identifier: MIT
// A machine with 24 lines and one PCI bus, kept in arrays, for tests of interrupts.
#pragma once

#include <core/irq/line.hpp>
#include <core/irq/pirq.hpp>

#include <cstring>
#include <map>
#include <set>
#include <vector>

namespace hv::test
{

class FakeDevices final : public DeviceMachine
{
public:
    static constexpr std::uint32_t kGsis = 24;
    static constexpr std::uint32_t kOurs = 4;

    // ---- what tests look at and do
    std::map<std::uint32_t, Line*> gsi_lines;
    std::set<std::uint32_t> open; // unmasked GSIs
    std::map<std::uint32_t, LineMode> modes;
    std::set<std::uint32_t> asserted; // level lines whose device wants service
    std::vector<Line*> vectors;       // by vector, nullptr = free
    bool out_of_vectors = false;
    std::uint16_t sleep_a = 0;

    struct Function
    {
        std::uint8_t space[256] = {};
        template<typename T>
        void put(unsigned offset, T value)
        {
            std::memcpy(space + offset, &value, sizeof(value));
        }
        template<typename T>
        T get(unsigned offset) const
        {
            T value;
            std::memcpy(&value, space + offset, sizeof(value));
            return value;
        }
    };
    std::map<std::uint8_t, Function> functions;                    // bus 0, by devfn
    std::map<std::uint64_t, std::vector<std::uint32_t>> registers; // by frame

    // A device asserts a line: it interrupts unless masked, as often as it is unmasked while still asserted.
    void assert_line(std::uint32_t gsi)
    {
        asserted.insert(gsi);
        fire(gsi);
    }
    void calm_line(std::uint32_t gsi) { asserted.erase(gsi); }
    // An edge, or one attempt of an asserted line. False: masked.
    bool fire(std::uint32_t gsi)
    {
        if (!open.contains(gsi))
            return false;
        line_interrupt(*gsi_lines.at(gsi));
        return true;
    }
    // Lines that are asserted and open interrupt again, as hardware would once the hypervisor is left.
    unsigned settle_lines()
    {
        unsigned count = 0;
        for (std::uint32_t const gsi : asserted)
            count += fire(gsi) ? 1 : 0;
        return count;
    }
    Function& add_msi(std::uint8_t devfn, bool wide, bool maskable, unsigned log_messages = 0);
    Function& add_msix(std::uint8_t devfn, std::uint64_t bar, std::uint32_t entries);
    std::uint32_t* msix_entry(std::uint64_t bar, std::uint32_t entry)
    {
        return registers.at(bar >> kPageShift).data() + std::size_t{4} * entry;
    }

    // ---- DeviceMachine
    std::uint32_t gsi_limit() override { return kGsis; }
    LineMode firmware_mode(Irq gsi) override
    {
        return gsi.raw() < 16 ? LineMode{Trigger::Edge, Polarity::High} : LineMode{Trigger::Level, Polarity::Low};
    }
    bool gsi_is_ours(Irq gsi) override { return gsi.raw() == kOurs; }
    Result<void> connect_gsi(Line& line, Irq gsi, LineMode mode) override
    {
        gsi_lines[gsi.raw()] = &line;
        modes[gsi.raw()] = mode;
        return {};
    }
    void set_gsi_mode(Line& line, LineMode mode) override
    {
        modes[line.gsi.raw()] = mode;
        open.erase(line.gsi.raw());
    }
    void mask_gsi(Irq gsi) override { open.erase(gsi.raw()); }
    void unmask_gsi(Irq gsi) override { open.insert(gsi.raw()); }
    Result<std::uint32_t> read_io_apic(MachineAddress, std::uint32_t) override { return Errno::NoDev; }
    Result<MsiMessage> connect_msi(std::span<Line*> lines) override
    {
        if (out_of_vectors)
            return Errno::NoSpc;
        while (vectors.size() % lines.size() != 0)
            vectors.push_back(nullptr);
        auto const first = static_cast<std::uint32_t>(vectors.size());
        for (std::size_t i = 0; i < lines.size(); ++i)
        {
            lines[i]->vector = static_cast<std::uint8_t>(first + i);
            vectors.push_back(lines[i]);
        }
        return MsiMessage{0xfee00000, first};
    }
    void disconnect_msi(Line& line) override { vectors.at(line.vector) = nullptr; }
    std::uint32_t pci_read(PciFunction function, std::uint32_t offset, unsigned bytes) override
    {
        std::uint32_t value = 0xffffffff >> (32 - 8 * bytes);
        if (auto const found = functions.find(function.devfn); function.bus == 0 && found != functions.end())
        {
            value = 0;
            std::memcpy(&value, found->second.space + offset, bytes);
        }
        return value;
    }
    void pci_write(PciFunction function, std::uint32_t offset, unsigned bytes, std::uint32_t value) override
    {
        std::memcpy(functions.at(function.devfn).space + offset, &value, bytes);
    }
    bool is_config_window(std::uint64_t, std::uint16_t, unsigned, unsigned) override { return false; }
    std::uint32_t volatile* map_registers(Mfn frame) override
    {
        auto const found = registers.find(frame.raw());
        return found == registers.end() ? nullptr : found->second.data();
    }
    CpuIdentity cpu_identity(CpuId cpu) override { return {cpu.raw() * 2, cpu.raw(), 6, 1, 2, {}}; }
    std::uint8_t keyboard_flags() override { return 0x20; }
    void enter_sleep(std::uint16_t value_a, std::uint16_t) override { sleep_a = value_a; }
};

inline FakeDevices::Function& FakeDevices::add_msi(std::uint8_t devfn, bool wide, bool maskable, unsigned log_messages)
{
    Function& made = functions[devfn];
    made.put<std::uint32_t>(0, 0x12348086);
    made.put<std::uint16_t>(6, 1u << 4);
    made.put<std::uint8_t>(0x34, 0x50);
    made.put<std::uint16_t>(0x50, 0x0005);
    made.put<std::uint16_t>(0x52,
                            static_cast<std::uint16_t>((wide ? 0x80 : 0) | (maskable ? 0x100 : 0) | log_messages << 1));
    return made;
}

// The table at the start of BAR 0, the pending bits in the second half of its page.
inline FakeDevices::Function& FakeDevices::add_msix(std::uint8_t devfn, std::uint64_t bar, std::uint32_t entries)
{
    Function& made = functions[devfn];
    made.put<std::uint32_t>(0, 0x56788086);
    made.put<std::uint16_t>(4, 2); // decodes memory
    made.put<std::uint16_t>(6, 1u << 4);
    made.put<std::uint64_t>(0x10, bar | 4);
    made.put<std::uint8_t>(0x34, 0x40);
    made.put<std::uint16_t>(0x40, 0x5001); // power management, then MSI-X
    made.put<std::uint16_t>(0x50, 0x0011);
    made.put<std::uint16_t>(0x52, static_cast<std::uint16_t>(entries - 1));
    made.put<std::uint32_t>(0x54, 0);
    made.put<std::uint32_t>(0x58, 0x800);
    registers[bar >> kPageShift].resize(1024);
    return made;
}

} // namespace hv::test
