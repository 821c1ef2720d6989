// SPDX-License-Identifier: MIT
// A 16550 UART: output by polling from any context, input by interrupt.
#pragma once

#include <arch/x86_64/boot/options.hpp>

#include <cstdint>
#include <span>

namespace hv
{

class Uart
{
public:
    // Programs the line. False when there is no UART at the port: it is then silent.
    bool start(SerialOptions const& options);
    void write(std::span<char const> text); // LF becomes CR LF

    void enable_receive_interrupt();
    // Takes one received character; false when there is none.
    bool read(char& out);

    [[nodiscard]] bool present() const { return port_ != 0; }
    [[nodiscard]] std::uint8_t irq() const { return irq_; }

private:
    void put(char c);

    std::uint16_t port_ = 0;
    std::uint8_t irq_ = 0;
    std::uint8_t room_ = 0; // bytes the transmit FIFO surely has room for
};

} // namespace hv
