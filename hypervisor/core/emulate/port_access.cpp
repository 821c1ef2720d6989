// SPDX-License-Identifier: MIT
// Permission for I/O instructions, and the ports that are answered here instead of by the machine.
#include <core/emulate/port_access.hpp>

#include <core/domain/range_set.hpp>
#include <core/emulate/legacy_ports.hpp>
#include <core/policy/control_registers.hpp>

namespace hv::emulate
{
namespace
{

constexpr std::uint16_t kConfigAddress = 0xcf8;
constexpr std::uint16_t kConfigData = 0xcfc;
constexpr std::uint32_t kConfigEnable = 1u << 31;

constinit LegacyPorts control_domain_ports;

bool permitted(Domain const& domain, std::uint16_t port, unsigned bytes)
{
    std::uint64_t const last = std::uint64_t{port} + bytes - 1;
    return last <= 0xffff && domain.io_ports != nullptr && domain.io_ports->contains(port, last);
}

// An access of `bytes` that stays within the four data ports of the configuration mechanism.
bool is_config_data(std::uint16_t port, unsigned bytes)
{
    return port >= kConfigData && port + bytes <= kConfigData + 4u;
}

std::uint32_t ones(unsigned bytes)
{
    return static_cast<std::uint32_t>(size_mask(bytes));
}

std::uint8_t byte_in(EmulationContext& context, std::uint16_t port)
{
    Domain const& domain = context.vcpu.domain();
    if (permitted(domain, port, 1))
        return static_cast<std::uint8_t>(context.port.port_in(port, 1));
    if (domain.is_control() && LegacyPorts::handles(port))
        return control_domain_ports.read(context.port, port);
    return 0xff;
}

void byte_out(EmulationContext& context, std::uint16_t port, std::uint8_t value)
{
    Domain const& domain = context.vcpu.domain();
    if (permitted(domain, port, 1))
        context.port.port_out(port, 1, value);
    else if (domain.is_control() && LegacyPorts::handles(port))
        control_domain_ports.write(context.port, port, value);
}

} // namespace

bool io_privilege(EmulationContext const& context)
{
    bool const architectural = (context.vcpu.domain().vm_assist & (1u << VMASST_TYPE_architectural_iopl)) != 0;
    unsigned const ring = context.kernel() ? (architectural ? 0 : 1) : 3;
    return ring <= context.vcpu.pv.iopl;
}

bool port_access_allowed(EmulationContext& context, std::uint16_t port, unsigned bytes)
{
    if (io_privilege(context))
        return true;
    PvState const& state = context.vcpu.pv;
    if (std::uint32_t{port} + bytes > state.io_bitmap_ports)
        return false;
    std::uint16_t const mask = static_cast<std::uint16_t>(((1u << bytes) - 1) << (port & 7));
    std::uint8_t map[2] = {0, 0};
    std::uint64_t const address = state.io_bitmap.raw() + port / 8;
    return context.port.read_kernel(address, map, mask > 0xff ? 2 : 1) && ((map[0] | map[1] << 8) & mask) == 0;
}

std::uint32_t guest_port_in(EmulationContext& context, std::uint16_t port, unsigned bytes)
{
    PvState const& state = context.vcpu.pv;
    if (context.vcpu.domain().is_control())
    {
        if (port == kConfigAddress && bytes == 4)
            return state.config_address;
        if (is_config_data(port, bytes))
            return (state.config_address & kConfigEnable) == 0
                       ? ones(bytes)
                       : context.port.pci_config_read(state.config_address, port & 3, bytes) & ones(bytes);
    }
    if (permitted(context.vcpu.domain(), port, bytes))
        return context.port.port_in(port, bytes) & ones(bytes);
    std::uint32_t value = 0;
    for (unsigned i = 0; i < bytes; ++i)
        value |= std::uint32_t{byte_in(context, static_cast<std::uint16_t>(port + i))} << (8 * i);
    return value;
}

void guest_port_out(EmulationContext& context, std::uint16_t port, unsigned bytes, std::uint32_t value)
{
    PvState& state = context.vcpu.pv;
    if (context.vcpu.domain().is_control())
    {
        if (port == kConfigAddress && bytes == 4)
        {
            state.config_address = value;
            return;
        }
        if (is_config_data(port, bytes))
        {
            if ((state.config_address & kConfigEnable) != 0)
                context.port.pci_config_write(state.config_address, port & 3, bytes, value & ones(bytes));
            return;
        }
    }
    if (permitted(context.vcpu.domain(), port, bytes))
    {
        context.port.port_out(port, bytes, value & ones(bytes));
        return;
    }
    for (unsigned i = 0; i < bytes; ++i)
        byte_out(context, static_cast<std::uint16_t>(port + i), static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint64_t io_breakpoints(PvState const& state, std::uint16_t port, unsigned bytes)
{
    if ((state.cr4 & policy::kCr4DebuggingExtensions) == 0)
        return 0;
    static constexpr std::uint8_t kSpan[4] = {1, 2, 8, 4}; // DR7.LEN
    std::uint64_t hit = 0;
    for (unsigned i = 0; i < 4; ++i)
    {
        bool const enabled = (state.dr7 >> (2 * i) & 3) != 0;
        bool const on_io = (state.dr7 >> (16 + 4 * i) & 3) == 2;
        std::uint64_t const span = kSpan[state.dr7 >> (18 + 4 * i) & 3];
        std::uint64_t const start = state.debug_address[i] & ~(span - 1);
        if (enabled && on_io && port < start + span && start < std::uint64_t{port} + bytes)
            hit |= 1u << i;
    }
    return hit;
}

} // namespace hv::emulate
