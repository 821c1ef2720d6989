// SPDX-License-Identifier: MIT
// Initialisation words of the 8259A (Intel data sheet): the only way to move its spurious interrupts.
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/irq/pic.hpp>
#include <arch/x86_64/irq/vectors.hpp>

namespace hv
{

void silence_pic()
{
    constexpr std::uint16_t kCommand1 = 0x20, kData1 = 0x21, kCommand2 = 0xa0, kData2 = 0xa1;
    constexpr std::uint8_t kStart = 0x11; // edge triggered, cascaded, four words
    out8(kCommand1, kStart);
    out8(kCommand2, kStart);
    out8(kData1, vector::kPicFirst);
    out8(kData2, vector::kPicFirst + 8);
    out8(kData1, 1u << 2);
    out8(kData2, 2);
    out8(kData1, 1);
    out8(kData2, 1);
    out8(kData1, 0xff);
    out8(kData2, 0xff);
}

} // namespace hv
