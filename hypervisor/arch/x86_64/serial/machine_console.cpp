// SPDX-License-Identifier: MIT
// Which devices the console writes to, and how typed characters reach it.
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/irq/io_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/serial/machine_console.hpp>
#include <core/console/console.hpp>

#include <bit>

namespace hv
{
namespace
{

constexpr std::uint32_t kLargestRing = 16u << 20;

Uart uarts[2];
VgaText vga;

bool wants(ConsoleDevice device)
{
    return (options().consoles & static_cast<std::uint32_t>(device)) != 0;
}

void write_devices(std::span<char const> text)
{
    for (Uart& uart : uarts)
        uart.write(text);
    vga.write(text);
}

void receive_input(void* context, TrapFrame&)
{
    constexpr unsigned kMostAtOnce = 64; // a line that never runs dry must not hold the CPU
    char c;
    for (unsigned i = 0; i < kMostAtOnce && static_cast<Uart*>(context)->read(c); ++i)
        console().receive(c);
}

} // namespace

void log_write(LogLevel level, char const* text, std::size_t length)
{
    console().log(level, {text, length});
}

void start_machine_console()
{
    Console& target = console();
    target.log_level = options().log_level;
    target.guest_log_level = options().guest_log_level;
    target.guest_log_none = options().guest_log_none;
    target.control_output_to_ring = options().console_to_ring;
    bool const com1 = wants(ConsoleDevice::Com1) && uarts[0].start(options().com1);
    bool const com2 = wants(ConsoleDevice::Com2) && uarts[1].start(options().com2);
    VideoInfo const& video = boot_info().video;
    bool const screen_wanted = wants(ConsoleDevice::Vga) && video.kind == VideoInfo::Kind::Text;
    if (screen_wanted)
        vga.start(direct_map<std::uint16_t>(MachineAddress{video.address}), video.width, video.height);
    target.hooks.output = com1 || com2 || screen_wanted ? write_devices : nullptr;
}

void remap_machine_console()
{
    VideoInfo const& video = boot_info().video;
    if (vga.active())
        vga.start(
            static_cast<std::uint16_t*>(map_device(MachineAddress{video.address}, video.width * video.height * 2u)),
            video.width, video.height);
    std::uint32_t const asked = options().console_ring_bytes;
    if (asked > 16384)
    {
        std::uint32_t const bytes = std::bit_floor(asked < kLargestRing ? asked : kLargestRing);
        console().set_ring_memory({direct_map<char>(boot_allocate(bytes)), bytes});
    }
}

void start_console_input()
{
    for (Uart& uart : uarts)
    {
        if (!uart.present() || uart.irq() == 0)
            continue;
        IsaRoute const route = firmware().isa[uart.irq() & 15];
        Result<std::uint8_t> const vector = allocate_vector(CpuId{0}, receive_input, &uart);
        if (!vector || !route_gsi(route.gsi, CpuId{0}, *vector, route.trigger, route.polarity))
        {
            log_warning("No interrupt for the serial console: typed characters are not seen");
            continue;
        }
        reserve_gsi(route.gsi);
        uart.enable_receive_interrupt();
        unmask_gsi(route.gsi);
    }
}

void release_screen()
{
    if (!options().vga_keep)
        vga.stop();
}

VgaText const& screen()
{
    return vga;
}

} // namespace hv
