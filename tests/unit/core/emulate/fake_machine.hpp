// SPDX-License-Identifier: MIT
// A machine for emulation tests: one domain with one vCPU, a little guest memory, ports and MSRs kept in maps.
#pragma once

#include <core/domain/range_set.hpp>
#include <core/emulate/context.hpp>
#include <core/policy/cpu_policy.hpp>
#include <core/trace/counters.hpp>

#include <machine.hpp>

#include <array>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

namespace hv::emulate::test
{

struct PortAccess
{
    std::uint16_t port;
    unsigned bytes;
    std::uint32_t value;
    bool operator==(PortAccess const&) const = default;
};

class FakePort final : public EmulationPort
{
public:
    static constexpr std::uint64_t kCode = 0x400000;
    static constexpr std::uint64_t kData = 0x7f0000001000;
    static constexpr std::size_t kBytes = 0x2000; // each region; what lies outside faults

    std::array<std::uint8_t, kBytes> code{};
    std::array<std::uint8_t, kBytes> data{};
    std::size_t code_bytes = kBytes; // readable
    bool data_writable = true;

    std::size_t fetch(std::uint64_t address, void* into, std::size_t bytes) override
    {
        if (address < kCode || address >= kCode + code_bytes)
            return 0;
        std::size_t const count = std::min<std::size_t>(bytes, kCode + code_bytes - address);
        std::memcpy(into, &code[address - kCode], count);
        return count;
    }
    bool read(std::uint64_t address, void* into, std::size_t bytes) override
    {
        if (!in_data(address, bytes))
            return false;
        std::memcpy(into, &data[address - kData], bytes);
        return true;
    }
    bool write(std::uint64_t address, void const* from, std::size_t bytes) override
    {
        if (!data_writable || !in_data(address, bytes))
            return false;
        std::memcpy(&data[address - kData], from, bytes);
        return true;
    }
    bool read_kernel(std::uint64_t address, void* into, std::size_t bytes) override
    {
        return read(address, into, bytes);
    }
    bool read_descriptor(std::uint16_t selector, std::uint64_t& descriptor) override
    {
        auto const found = descriptors.find(selector);
        if (found == descriptors.end())
            return false;
        descriptor = found->second;
        return true;
    }

    std::uint64_t fs_base() override { return fs; }
    std::uint64_t gs_base() override { return gs; }
    std::uint64_t inactive_gs_base() override { return inactive_gs; }
    void set_fs_base(std::uint64_t base) override { fs = base; }
    void set_gs_base(std::uint64_t base) override { gs = base; }
    void set_inactive_gs_base(std::uint64_t base) override { inactive_gs = base; }
    std::uint64_t cr0() override { return 0x80050033; }
    std::uint64_t cr4() override { return 0x3406f0; }
    void task_switched_changed() override { ++task_switched_changes; }
    void cr4_changed() override { ++cr4_changes; }
    void xcr0_changed() override { ++xcr0_changes; }
    void tsc_aux_changed() override { ++tsc_aux_changes; }
    Result<void> load_kernel_root(Mfn root) override
    {
        if (root.raw() >= 0x1000)
            return Errno::Inval;
        loaded_root = root;
        return {};
    }
    bool write_hypercall_page(GuestFrame frame) override
    {
        hypercall_page = frame;
        return frame.raw() < 0x1000;
    }

    std::uint32_t port_in(std::uint16_t port, unsigned bytes) override
    {
        reads.push_back({port, bytes, next_input});
        return next_input;
    }
    void port_out(std::uint16_t port, unsigned bytes, std::uint32_t value) override
    {
        writes.push_back({port, bytes, value});
    }
    std::uint32_t pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes) override
    {
        config_reads.push_back({address, offset, bytes});
        return 0x80861237u >> (8 * offset);
    }
    void pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value) override
    {
        config_writes.push_back({address, offset, bytes, value});
    }
    std::uint8_t cmos_read(std::uint8_t index) override { return cmos[index & 0x7f]; }
    void cmos_write(std::uint8_t index, std::uint8_t value) override { cmos[index & 0x7f] = value; }
    bool read_msr(std::uint32_t index, std::uint64_t& value) override
    {
        auto const found = msrs.find(index);
        if (found == msrs.end())
            return false;
        value = found->second;
        return true;
    }
    bool write_msr(std::uint32_t index, std::uint64_t value) override
    {
        msr_writes.push_back({index, value});
        return true;
    }
    std::uint64_t tsc() override { return 0x1122334455667788; }
    Nanoseconds now() override { return Nanoseconds{time}; }
    void write_back_caches() override { ++cache_writes; }

    std::map<std::uint16_t, std::uint64_t> descriptors;
    std::uint64_t fs = 0x10000;
    std::uint64_t gs = 0x20000;
    std::uint64_t inactive_gs = 0x30000;
    int task_switched_changes = 0;
    int cr4_changes = 0;
    int xcr0_changes = 0;
    int tsc_aux_changes = 0;
    int cache_writes = 0;
    Mfn loaded_root = kInvalidMfn;
    GuestFrame hypercall_page{};
    std::uint32_t next_input = 0xaabbccdd;
    std::vector<PortAccess> reads;
    std::vector<PortAccess> writes;
    std::vector<std::tuple<std::uint32_t, unsigned, unsigned>> config_reads;
    std::vector<std::tuple<std::uint32_t, unsigned, unsigned, std::uint32_t>> config_writes;
    std::array<std::uint8_t, 128> cmos{};
    std::map<std::uint32_t, std::uint64_t> msrs;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> msr_writes;
    std::uint64_t time = 0;

private:
    static bool in_data(std::uint64_t address, std::size_t bytes)
    {
        return address >= kData && address - kData <= kBytes - bytes;
    }
};

// A guest kernel at FakePort::kCode with virtual IOPL 1, an Intel-like policy with most features.
class FakeMachine
{
public:
    explicit FakeMachine(bool control = false)
    {
        host::boot(); // for the heap, which range sets and policies use
        domain_.control = control;
        domain_.policy = &policy;
        domain_.io_ports = &io_ports;
        vcpu.counters = counters.data();
        vcpu.info = &info;
        vcpu.pv.traps = traps.data();
        vcpu.pv.iopl = 1;
        vcpu.pv.kernel_root = Mfn{0x123};
        registers.rip = FakePort::kCode;
        registers.cs = 0xe033;
        registers.ss = 0xe02b;
        registers.rflags = 0x202;
        policy.basic[0] = {0xd, 0x756e6547, 0x6c65746e, 0x49656e69};
        policy.extended[0] = {0x80000008, 0, 0, 0};
        policy.set_features(policy::kPvDefault);
        policy.xsave[0].a = 7;
        policy.xsave[2] = {256, 576, 0, 0};
    }

    FakeMachine& put_code(std::initializer_list<std::uint8_t> bytes)
    {
        return put_code(std::vector<std::uint8_t>(bytes));
    }
    FakeMachine& put_code(std::vector<std::uint8_t> const& bytes)
    {
        std::memcpy(&port.code[registers.rip - FakePort::kCode], bytes.data(), bytes.size());
        return *this;
    }
    // Guest memory at FakePort::kData + offset.
    std::uint64_t data_word(std::size_t offset) const
    {
        std::uint64_t value = 0;
        std::memcpy(&value, &port.data[offset], sizeof value);
        return value;
    }
    std::uint64_t counted(Counter counter) const { return counters[static_cast<unsigned>(counter)]; }
    Domain& domain() { return domain_; }

    FakePort port;
    CpuPolicy policy;
    RangeSet io_ports;
    std::array<std::uint64_t, kCounters> counters{};
    abi::vcpu_info info{};
    std::array<abi::trap_info, 256> traps{};
    Registers registers{};

private:
    Domain domain_{DomainId{1}};

public:
    Vcpu vcpu{domain_, VcpuId{0}};
    EmulationContext context{vcpu, registers, port};
};

} // namespace hv::emulate::test
