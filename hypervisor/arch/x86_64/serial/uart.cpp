// SPDX-License-Identifier: MIT
// Register-level driver of the 16550 (National Semiconductor PC16550D data sheet).
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/serial/uart.hpp>

namespace hv
{
namespace
{

enum Register : std::uint16_t
{
    kData = 0,
    kInterruptEnable = 1,
    kFifoControl = 2,
    kLineControl = 3,
    kModemControl = 4,
    kLineStatus = 5,
    kScratch = 7,
};

constexpr std::uint8_t kDivisorLatch = 0x80;
constexpr std::uint8_t kFifoEnableAndClear = 0x07;
constexpr std::uint8_t kReadyAndOut2 = 0x0b; // DTR, RTS, and OUT2, which gates the interrupt line on a PC
constexpr std::uint8_t kDataReady = 0x01;
constexpr std::uint8_t kTransmitterEmpty = 0x20;
constexpr std::uint8_t kFifoBytes = 16;
constexpr unsigned kSpinLimit = 1u << 20; // a stuck line must not stop the machine

std::uint8_t line_control(SerialOptions const& options)
{
    std::uint8_t value = static_cast<std::uint8_t>(options.data_bits - 5);
    value |= options.stop_bits == 2 ? 0x04 : 0;
    value |= options.parity == 'o' ? 0x08 : options.parity == 'e' ? 0x18 : 0;
    return value;
}

} // namespace

bool Uart::start(SerialOptions const& options)
{
    std::uint16_t const port = options.port;
    out8(port + kScratch, 0x5a);
    if (in8(port + kScratch) != 0x5a)
        return false;
    out8(port + kInterruptEnable, 0);
    std::uint8_t const control = line_control(options);
    if (options.baud != 0)
    {
        std::uint32_t const divisor = 115200 / options.baud;
        out8(port + kLineControl, control | kDivisorLatch);
        out8(port + kData, static_cast<std::uint8_t>(divisor));
        out8(port + kInterruptEnable, static_cast<std::uint8_t>(divisor >> 8));
    }
    out8(port + kLineControl, control);
    out8(port + kFifoControl, kFifoEnableAndClear);
    out8(port + kModemControl, kReadyAndOut2);
    port_ = port;
    irq_ = options.irq;
    return true;
}

void Uart::put(char c)
{
    if (room_ == 0)
    {
        for (unsigned i = 0; i < kSpinLimit && (in8(port_ + kLineStatus) & kTransmitterEmpty) == 0; ++i)
            pause();
        room_ = kFifoBytes;
    }
    out8(port_ + kData, static_cast<std::uint8_t>(c));
    --room_;
}

void Uart::write(std::span<char const> text)
{
    if (!present())
        return;
    for (char const c : text)
    {
        if (c == '\n')
            put('\r');
        put(c);
    }
    room_ = 0; // others may have used the FIFO before the next call
}

void Uart::enable_receive_interrupt()
{
    if (present())
        out8(port_ + kInterruptEnable, 0x01);
}

bool Uart::read(char& out)
{
    if (!present() || (in8(port_ + kLineStatus) & kDataReady) == 0)
        return false;
    out = static_cast<char>(in8(port_ + kData));
    return true;
}

} // namespace hv
