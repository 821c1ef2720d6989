// SPDX-License-Identifier: MIT
// The decoder against hand-assembled encodings: operands, sizes, lengths, and what must be refused.
#include <core/emulate/decoder.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace hv::emulate
{
namespace
{

using Bytes = std::vector<std::uint8_t>;

struct Decoded
{
    DecodeStatus status;
    Instruction instruction;
};

Decoded decode_bytes(Bytes const& bytes, CodeMode mode = CodeMode::Long)
{
    Decoded result{};
    result.status = decode(bytes, mode, result.instruction);
    return result;
}

struct Expectation
{
    char const* text;
    Bytes bytes;
    Operation operation;
    unsigned operand_size;
    bool memory;
};

// Encodings by GNU as.
std::vector<Expectation> const kInstructions = {
    {"in $0x70, %al", {0xe4, 0x70}, Operation::In, 1, false},
    {"in (%dx), %ax", {0x66, 0xed}, Operation::In, 2, false},
    {"in (%dx), %eax", {0xed}, Operation::In, 4, false},
    {"rex.w in (%dx), %eax", {0x48, 0xed}, Operation::In, 4, false},
    {"out %eax, $0xf8", {0xe7, 0xf8}, Operation::Out, 4, false},
    {"out %al, (%dx)", {0xee}, Operation::Out, 1, false},
    {"rep insl", {0xf3, 0x6d}, Operation::InString, 4, true},
    {"rep outsb", {0xf3, 0x6e}, Operation::OutString, 1, true},
    {"clts", {0x0f, 0x06}, Operation::ClearTaskSwitched, 4, false},
    {"invd", {0x0f, 0x08}, Operation::InvalidateCaches, 4, false},
    {"wbinvd", {0x0f, 0x09}, Operation::InvalidateCaches, 4, false},
    {"mov %cr0, %rax", {0x0f, 0x20, 0xc0}, Operation::ReadControl, 8, false},
    {"mov %r9, %cr3", {0x41, 0x0f, 0x22, 0xd9}, Operation::WriteControl, 8, false},
    {"mov %dr7, %rdx", {0x0f, 0x21, 0xfa}, Operation::ReadDebug, 8, false},
    {"mov %rdx, %dr7", {0x0f, 0x23, 0xfa}, Operation::WriteDebug, 8, false},
    {"rdmsr", {0x0f, 0x32}, Operation::ReadMsr, 4, false},
    {"wrmsr", {0x0f, 0x30}, Operation::WriteMsr, 4, false},
    {"rdtsc", {0x0f, 0x31}, Operation::ReadTsc, 4, false},
    {"rdtscp", {0x0f, 0x01, 0xf9}, Operation::ReadTscp, 4, false},
    {"cpuid", {0x0f, 0xa2}, Operation::Cpuid, 4, false},
    {"xsetbv", {0x0f, 0x01, 0xd1}, Operation::SetExtendedControl, 4, false},
    {"cli", {0xfa}, Operation::ClearInterruptFlag, 4, false},
    {"sti", {0xfb}, Operation::SetInterruptFlag, 4, false},
    {"mov %rax, (%rdi)", {0x48, 0x89, 0x07}, Operation::Move, 8, true},
    {"movq $0, (%rbx)", {0x48, 0xc7, 0x03, 0, 0, 0, 0}, Operation::Move, 8, true},
    {"movb $1, 3(%rax)", {0xc6, 0x40, 0x03, 0x01}, Operation::Move, 1, true},
    {"movw $0x1234, (%rax)", {0x66, 0xc7, 0x00, 0x34, 0x12}, Operation::Move, 2, true},
    {"movnti %rcx, (%rsi)", {0x48, 0x0f, 0xc3, 0x0e}, Operation::Move, 8, true},
    {"movabs %al, 0x1122334455667788",
     {0xa2, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11},
     Operation::Move,
     1,
     true},
    {"xchg %rax, (%rdi)", {0x48, 0x87, 0x07}, Operation::Exchange, 8, true},
    {"lock andb $0xfd, (%rdi)", {0xf0, 0x80, 0x27, 0xfd}, Operation::And, 1, true},
    {"lock btr $5, (%rdi)", {0xf0, 0x48, 0x0f, 0xba, 0x37, 0x05}, Operation::BitReset, 8, true},
    {"lock bts %rax, (%rdi)", {0xf0, 0x48, 0x0f, 0xab, 0x07}, Operation::BitSet, 8, true},
    {"btc %eax, (%rdi)", {0x0f, 0xbb, 0x07}, Operation::BitComplement, 4, true},
    {"lock cmpxchg %rdx, (%rdi)", {0xf0, 0x48, 0x0f, 0xb1, 0x17}, Operation::CompareExchange, 8, true},
    {"lock xadd %rax, (%rdi)", {0xf0, 0x48, 0x0f, 0xc1, 0x07}, Operation::ExchangeAdd, 8, true},
    {"lock orq $0x42, (%rax)", {0xf0, 0x48, 0x83, 0x08, 0x42}, Operation::Or, 8, true},
    {"addq $0x12345678, (%rax)", {0x48, 0x81, 0x00, 0x78, 0x56, 0x34, 0x12}, Operation::Add, 8, true},
    {"adc %eax, (%rdi)", {0x11, 0x07}, Operation::AddCarry, 4, true},
    {"sbb %al, (%rdi)", {0x18, 0x07}, Operation::SubtractBorrow, 1, true},
    {"sub %ax, (%rdi)", {0x66, 0x29, 0x07}, Operation::Subtract, 2, true},
    {"xor %r15, (%r14)", {0x4d, 0x31, 0x3e}, Operation::Xor, 8, true},
    {"incl (%rax)", {0xff, 0x00}, Operation::Increment, 4, true},
    {"lock decb (%rax)", {0xf0, 0xfe, 0x08}, Operation::Decrement, 1, true},
    {"negq (%rax)", {0x48, 0xf7, 0x18}, Operation::Negate, 8, true},
    {"notq (%rax)", {0x48, 0xf7, 0x10}, Operation::Not, 8, true},
    {"rep movsq", {0xf3, 0x48, 0xa5}, Operation::MoveString, 8, true},
    {"rep stosq", {0xf3, 0x48, 0xab}, Operation::StoreString, 8, true},
};

TEST(Decoder, KnowsEveryInstructionOfItsTable)
{
    for (Expectation const& expected : kInstructions)
    {
        SCOPED_TRACE(expected.text);
        Decoded const got = decode_bytes(expected.bytes);
        ASSERT_EQ(got.status, DecodeStatus::Ok);
        EXPECT_EQ(got.instruction.operation, expected.operation);
        EXPECT_EQ(got.instruction.operand_size, expected.operand_size);
        EXPECT_EQ(got.instruction.memory, expected.memory);
        EXPECT_EQ(got.instruction.length, expected.bytes.size());
    }
}

TEST(Decoder, ReportsEveryProperPrefixAsTruncated)
{
    for (Expectation const& expected : kInstructions)
    {
        SCOPED_TRACE(expected.text);
        for (std::size_t length = 0; length < expected.bytes.size(); ++length)
        {
            Bytes const part(expected.bytes.begin(), expected.bytes.begin() + static_cast<long>(length));
            EXPECT_EQ(decode_bytes(part).status, DecodeStatus::Truncated) << length;
        }
    }
}

TEST(Decoder, IgnoresBytesBehindTheInstruction)
{
    for (Expectation const& expected : kInstructions)
    {
        SCOPED_TRACE(expected.text);
        Bytes longer = expected.bytes;
        longer.resize(kMaxInstructionLength, 0xcc);
        Decoded const got = decode_bytes(longer);
        ASSERT_EQ(got.status, DecodeStatus::Ok);
        EXPECT_EQ(got.instruction.length, expected.bytes.size());
    }
}

TEST(Decoder, RefusesInstructionsThatStayWithTheGuest)
{
    std::vector<std::pair<char const*, Bytes>> const kRefused = {
        {"hlt", {0xf4}},
        {"lgdt (%rax)", {0x0f, 0x01, 0x10}},
        {"invlpg (%rax)", {0x0f, 0x01, 0x38}},
        {"lmsw %ax", {0x0f, 0x01, 0xf0}},
        {"swapgs", {0x0f, 0x01, 0xf8}},
        {"monitor", {0x0f, 0x01, 0xc8}},
        {"vmcall", {0x0f, 0x01, 0xc1}},
        {"ltr %ax", {0x0f, 0x00, 0xd8}},
        {"rdpmc", {0x0f, 0x33}},
        {"sysret", {0x0f, 0x07}},
        {"iretq", {0x48, 0xcf}},
        {"cmp %rax, (%rdi)", {0x48, 0x39, 0x07}},
        {"cmpq $1, (%rdi)", {0x48, 0x83, 0x3f, 0x01}},
        {"testb $1, (%rdi)", {0xf6, 0x07, 0x01}},
        {"bt $1, (%rdi)", {0x48, 0x0f, 0xba, 0x27, 0x01}},
        {"call *(%rdi)", {0xff, 0x17}},
        {"push (%rdi)", {0xff, 0x37}},
        {"cmpxchg8b (%rdi)", {0x0f, 0xc7, 0x0f}},
        {"cmpxchg16b (%rdi)", {0x48, 0x0f, 0xc7, 0x0f}},
        {"movnti of a register", {0x0f, 0xc3, 0xc8}},
        {"movaps %xmm0, (%rdi)", {0x0f, 0x29, 0x07}},
        {"vmovaps", {0xc5, 0xf8, 0x29, 0x07}},
        {"two REX prefixes", {0x48, 0x48, 0x89, 0x07}},
        {"REX before a legacy prefix", {0x48, 0x66, 0x89, 0x07}},
        {"lock mov", {0xf0, 0x48, 0x89, 0x07}},
        {"lock add to a register", {0xf0, 0x48, 0x01, 0xc0}},
        {"lock mov %cr0", {0xf0, 0x0f, 0x20, 0xc0}},
        {"lock in", {0xf0, 0xec}},
    };
    for (auto const& [text, bytes] : kRefused)
    {
        SCOPED_TRACE(text);
        EXPECT_EQ(decode_bytes(bytes).status, DecodeStatus::Unsupported);
    }
}

TEST(Decoder, RefusesMoreThanFifteenBytes)
{
    Bytes bytes(14, 0x66);
    bytes.push_back(0xed);
    EXPECT_EQ(decode_bytes(bytes).status, DecodeStatus::Ok);
    bytes.insert(bytes.begin(), 0x66);
    EXPECT_EQ(decode_bytes(bytes).status, DecodeStatus::Unsupported);
}

TEST(Decoder, TakesMemoryOperandsApart)
{
    // mov %rax, 0x12345678(%r13,%r12,8)
    Instruction operand = decode_bytes({0x4b, 0x89, 0x84, 0xe5, 0x78, 0x56, 0x34, 0x12}).instruction;
    EXPECT_EQ(operand.base, 13);
    EXPECT_EQ(operand.index, 12);
    EXPECT_EQ(operand.scale, 8);
    EXPECT_EQ(operand.displacement, 0x12345678);
    EXPECT_EQ(operand.reg, 0);

    // mov %eax, -8(%rsp): a SIB byte without index
    operand = decode_bytes({0x89, 0x44, 0x24, 0xf8}).instruction;
    EXPECT_EQ(operand.base, 4);
    EXPECT_EQ(operand.index, kNoRegister);
    EXPECT_EQ(operand.displacement, -8);

    // mov %eax, 0x1000(%rip)
    operand = decode_bytes({0x89, 0x05, 0x00, 0x10, 0x00, 0x00}).instruction;
    EXPECT_EQ(operand.base, kRipRegister);
    EXPECT_EQ(operand.displacement, 0x1000);

    // mov %eax, 0x1000 (absolute, by SIB without base)
    operand = decode_bytes({0x89, 0x04, 0x25, 0x00, 0x10, 0x00, 0x00}).instruction;
    EXPECT_EQ(operand.base, kNoRegister);
    EXPECT_EQ(operand.index, kNoRegister);

    // mov %eax, %gs:(%rax), then %fs, then %es, which means nothing
    EXPECT_EQ(decode_bytes({0x65, 0x89, 0x00}).instruction.segment, Segment::Gs);
    EXPECT_EQ(decode_bytes({0x64, 0x89, 0x00}).instruction.segment, Segment::Fs);
    EXPECT_EQ(decode_bytes({0x26, 0x89, 0x00}).instruction.segment, Segment::Flat);

    // mov %eax, (%eax): 32-bit addressing
    EXPECT_EQ(decode_bytes({0x67, 0x89, 0x00}).instruction.address_size, 4);
}

TEST(Decoder, SignExtendsImmediates)
{
    EXPECT_EQ(decode_bytes({0x48, 0x83, 0x08, 0x80}).instruction.immediate, -128);
    EXPECT_EQ(decode_bytes({0x48, 0xc7, 0x00, 0xff, 0xff, 0xff, 0xff}).instruction.immediate, -1);
    EXPECT_EQ(decode_bytes({0x66, 0xc7, 0x00, 0xfe, 0xff}).instruction.immediate, -2);
}

TEST(Decoder, FollowsTheCodeSegment)
{
    // 32-bit: 0x40 is INC, not REX; sizes default to 4; segment bases are not followed.
    EXPECT_EQ(decode_bytes({0x40, 0xed}, CodeMode::Compat32).status, DecodeStatus::Unsupported);
    EXPECT_EQ(decode_bytes({0xed}, CodeMode::Compat32).instruction.operand_size, 4);
    EXPECT_EQ(decode_bytes({0x89, 0x05, 0, 0x10, 0, 0}, CodeMode::Compat32).instruction.base, kNoRegister);
    EXPECT_EQ(decode_bytes({0x65, 0x89, 0x00}, CodeMode::Compat32).status, DecodeStatus::Unsupported);
    // 16-bit: the defaults turn around.
    EXPECT_EQ(decode_bytes({0xed}, CodeMode::Compat16).instruction.operand_size, 2);
    EXPECT_EQ(decode_bytes({0x66, 0xed}, CodeMode::Compat16).instruction.operand_size, 4);
    EXPECT_EQ(decode_bytes({0x89, 0x07}, CodeMode::Compat16).status, DecodeStatus::Unsupported);
}

} // namespace
} // namespace hv::emulate
