// SPDX-License-Identifier: MIT
// The decoder's steps: prefixes, opcode, ModRM and SIB, displacement, immediate.
#include <core/emulate/decoder.hpp>

#include <core/emulate/opcodes.hpp>

namespace hv::emulate
{
namespace
{

using namespace opcodes;

constexpr Map kOneByte = one_byte_map();
constexpr Map kTwoByte = two_byte_map();

struct RexBits
{
    bool wide = false;
    std::uint8_t reg = 0;   // 0 or 8, added to ModRM.reg
    std::uint8_t index = 0; // added to SIB.index
    std::uint8_t base = 0;  // added to ModRM.rm or SIB.base
};

class Decoder
{
public:
    Decoder(std::span<std::uint8_t const> bytes, CodeMode mode, Instruction& out)
        : bytes_(bytes.first(bytes.size() < kMaxInstructionLength ? bytes.size() : kMaxInstructionLength)), mode_(mode),
          out_(out), all_given_(bytes.size() >= kMaxInstructionLength)
    {
    }

    DecodeStatus run()
    {
        bool const ok = prefixes() && opcode() && modrm() && choose() && offset() && immediate() && finish();
        if (exhausted_)
            return all_given_ ? DecodeStatus::Unsupported : DecodeStatus::Truncated;
        return ok ? DecodeStatus::Ok : DecodeStatus::Unsupported;
    }

private:
    // The next `size` bytes, little-endian and sign-extended.
    bool take(unsigned size, std::int64_t& value)
    {
        if (bytes_.size() - position_ < size)
        {
            exhausted_ = true;
            return false;
        }
        std::uint64_t raw = 0;
        for (unsigned i = 0; i < size; ++i)
            raw |= std::uint64_t{bytes_[position_ + i]} << (8 * i);
        position_ += size;
        unsigned const unused = 64 - 8 * size;
        value = size == 0 ? 0 : static_cast<std::int64_t>(raw << unused) >> unused;
        return true;
    }

    bool take_byte(std::uint8_t& value)
    {
        std::int64_t wide = 0;
        bool const ok = take(1, wide);
        value = static_cast<std::uint8_t>(wide);
        return ok;
    }

    bool prefixes()
    {
        for (;;)
        {
            if (!take_byte(opcode_))
                return false;
            switch (opcode_)
            {
            case 0x66: operand_override_ = true; break;
            case 0x67: address_override_ = true; break;
            case 0xf0: out_.lock = true; break;
            case 0xf2:
            case 0xf3: out_.repeat = true; break;
            case 0x64: out_.segment = Segment::Fs; break;
            case 0x65: out_.segment = Segment::Gs; break;
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e:
                // Without effect in 64-bit mode, where they do not cancel an earlier FS or GS override either.
                flat_override_ = true;
                break;
            default: return rex_prefix();
            }
        }
    }

    // REX counts only directly before the opcode; a second REX or a legacy prefix after it is no instruction of ours.
    bool rex_prefix()
    {
        if (mode_ != CodeMode::Long || (opcode_ & 0xf0) != 0x40)
            return true;
        out_.rex = true;
        rex_ = {(opcode_ & 8) != 0, static_cast<std::uint8_t>((opcode_ & 4) << 1),
                static_cast<std::uint8_t>((opcode_ & 2) << 2), static_cast<std::uint8_t>((opcode_ & 1) << 3)};
        return take_byte(opcode_);
    }

    bool opcode()
    {
        if (opcode_ != 0x0f)
            entry_ = kOneByte[opcode_];
        else
        {
            if (!take_byte(opcode_))
                return false;
            if (opcode_ == 0x01)
                return system_group();
            entry_ = kTwoByte[opcode_];
        }
        set_sizes();
        return entry_.operation != Operation::None || (entry_.form & kGroup) != 0;
    }

    bool system_group()
    {
        std::uint8_t byte = 0;
        if (!take_byte(byte))
            return false;
        if (byte == 0xd1)
            entry_ = {Operation::SetExtendedControl, 0, 0};
        else if (byte == 0xf9)
            entry_ = {Operation::ReadTscp, 0, 0};
        set_sizes();
        return entry_.operation != Operation::None;
    }

    void set_sizes()
    {
        bool const half = (mode_ == CodeMode::Compat16) != operand_override_;
        out_.operand_size = rex_.wide ? 8 : (half ? 2 : 4);
        if ((entry_.form & kMoveSpecial) != 0)
            out_.operand_size = mode_ == CodeMode::Long ? 8 : 4;
        else if ((entry_.form & kByte) != 0)
            out_.operand_size = 1;
        else if ((entry_.form & kNoWide) != 0 && out_.operand_size == 8)
            out_.operand_size = 4;
        if (mode_ == CodeMode::Long)
            out_.address_size = address_override_ ? 4 : 8;
        else
            out_.address_size = (mode_ == CodeMode::Compat16) != address_override_ ? 2 : 4;
    }

    bool modrm()
    {
        if ((entry_.form & kModRm) == 0)
            return true;
        std::uint8_t byte = 0;
        if (!take_byte(byte))
            return false;
        std::uint8_t const mod = byte >> 6;
        std::uint8_t const rm = byte & 7;
        group_operation_ = (byte >> 3) & 7;
        out_.reg = group_operation_ | rex_.reg;
        if (mod == 3 || (entry_.form & kMoveSpecial) != 0)
        {
            out_.rm = rm | rex_.base;
            return (entry_.form & kMemoryOnly) == 0;
        }
        out_.memory = true;
        if (out_.address_size == 2)
            return false;
        return memory_operand(mod, rm);
    }

    bool memory_operand(std::uint8_t mod, std::uint8_t rm)
    {
        bool displacement32 = mod == 2;
        if (rm == 4)
        {
            std::uint8_t sib = 0;
            if (!take_byte(sib))
                return false;
            std::uint8_t const index = ((sib >> 3) & 7) | rex_.index;
            std::uint8_t const base = sib & 7;
            out_.scale = static_cast<std::uint8_t>(1u << (sib >> 6));
            out_.index = index == 4 ? kNoRegister : index;
            if (base == 5 && mod == 0)
                displacement32 = true;
            else
                out_.base = base | rex_.base;
        }
        else if (rm == 5 && mod == 0)
        {
            displacement32 = true;
            out_.base = mode_ == CodeMode::Long ? kRipRegister : kNoRegister;
        }
        else
            out_.base = rm | rex_.base;
        return take(displacement32 ? 4 : (mod == 1 ? 1 : 0), out_.displacement);
    }

    bool choose()
    {
        out_.operation = (entry_.form & kGroup) != 0 ? kGroups[entry_.group][group_operation_] : entry_.operation;
        if ((entry_.form & kFromRegister) != 0)
            out_.source = Source::Register;
        else if ((entry_.form & (kImmediate8 | kImmediateFull)) != 0)
            out_.source = Source::Immediate;
        if ((entry_.form & (kString | kOffset)) != 0)
            out_.memory = true;
        // In compatibility mode segments have bases that we do not follow; FS and GS are the only ones here.
        if (mode_ != CodeMode::Long && out_.memory && (flat_override_ || out_.segment != Segment::Flat))
            return false;
        return out_.operation != Operation::None;
    }

    bool offset() { return (entry_.form & kOffset) == 0 || take(out_.address_size, out_.displacement); }

    bool immediate()
    {
        if ((entry_.form & kImmediate8) != 0)
            return take(1, out_.immediate);
        if ((entry_.form & kImmediateFull) != 0)
            return take(out_.operand_size < 4 ? out_.operand_size : 4, out_.immediate);
        return true;
    }

    bool finish()
    {
        out_.length = static_cast<std::uint8_t>(position_);
        return !out_.lock || ((entry_.form & kLockable) != 0 && out_.memory);
    }

    std::span<std::uint8_t const> bytes_;
    CodeMode mode_;
    Instruction& out_;
    bool all_given_;
    std::size_t position_ = 0;
    bool exhausted_ = false;
    bool operand_override_ = false;
    bool address_override_ = false;
    bool flat_override_ = false;
    std::uint8_t opcode_ = 0;
    std::uint8_t group_operation_ = 0;
    RexBits rex_{};
    Entry entry_{};
};

} // namespace

DecodeStatus decode(std::span<std::uint8_t const> bytes, CodeMode mode, Instruction& out)
{
    return Decoder(bytes, mode, out).run();
}

} // namespace hv::emulate
