// SPDX-License-Identifier: MIT
// Code segments: the flat 64-bit ones need no look at the guest's tables, 32-bit ones have a base and a limit.
#include <core/emulate/code_fetch.hpp>

namespace hv::emulate
{
namespace
{

constexpr std::uint16_t kFlatCode64 = 0xe033;
constexpr std::uint16_t kFlatCode32 = 0xe023;

struct CodeSegment
{
    CodeMode mode = CodeMode::Long;
    std::uint64_t base = 0;
    std::uint64_t limit = 0xffffffff;
};

// Descriptor layout: Intel SDM vol. 3, 3.4.5.
bool parse(std::uint64_t descriptor, CodeSegment& segment)
{
    bool const present = (descriptor >> 47 & 1) != 0;
    bool const code = (descriptor >> 43 & 3) == 3; // S and the code bit
    if (!present || !code)
        return false;
    if ((descriptor >> 53 & 1) != 0) // L
        return true;
    segment.mode = (descriptor >> 54 & 1) != 0 ? CodeMode::Compat32 : CodeMode::Compat16;
    segment.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000);
    segment.limit = (descriptor & 0xffff) | (descriptor >> 32 & 0xf0000);
    if ((descriptor >> 55 & 1) != 0) // G
        segment.limit = segment.limit << 12 | 0xfff;
    return true;
}

bool find_segment(EmulationContext& context, CodeSegment& segment)
{
    std::uint16_t const selector = context.registers.cs | 3;
    if (selector == kFlatCode64)
        return true;
    if (selector == kFlatCode32)
    {
        segment.mode = CodeMode::Compat32;
        return true;
    }
    std::uint64_t descriptor = 0;
    return context.port.read_descriptor(selector, descriptor) && parse(descriptor, segment);
}

} // namespace

bool CodeWindow::fetch(EmulationContext& context, unsigned skip)
{
    CodeSegment segment;
    if (!find_segment(context, segment))
        return false;
    mode_ = segment.mode;
    std::size_t wanted = bytes_.size();
    linear_ = context.registers.rip + skip;
    if (mode_ != CodeMode::Long)
    {
        std::uint64_t const offset = static_cast<std::uint32_t>(linear_);
        if (offset > segment.limit)
            return false;
        if (segment.limit - offset < wanted)
            wanted = segment.limit - offset + 1;
        linear_ = static_cast<std::uint32_t>(segment.base + offset);
    }
    count_ = context.port.fetch(linear_, bytes_.data(), wanted);
    return true;
}

void advance(Registers& registers, CodeMode mode, unsigned bytes)
{
    std::uint64_t const next = registers.rip + bytes;
    registers.rip = mode == CodeMode::Long ? next : (mode == CodeMode::Compat32 ? next & 0xffffffff : next & 0xffff);
    registers.rflags &= ~kFlagResume;
}

} // namespace hv::emulate
