// SPDX-License-Identifier: MIT
// Stores to page-table entries: against the real CPU for results and flags, and by hand for addresses and refusals.
#include <core/emulate/fake_machine.hpp>
#include <core/emulate/page_table_write.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <random>

namespace hv::emulate
{
namespace
{

using test::FakeMachine;
using test::FakePort;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kEntry = 0x7f1234567008; // where the "page table" lies; the fake has no memory there

// Runs `decode` and one round of plan and commit, as the memory code does.
Result<void> run(FakeMachine& machine, std::uint64_t& entry, std::uint64_t fault_address = kEntry)
{
    PageTableWrite write;
    Result<void> const decoded = write.decode(machine.context, fault_address);
    if (!decoded)
        return decoded;
    PageTableWrite::Plan const plan = write.plan(machine.context, entry);
    if (plan.stores)
        entry = plan.entry;
    static_cast<void>(write.commit(machine.context, plan));
    return {};
}

// An executable page with: load rflags, execute one instruction on (%rdi), store rflags; a function of two arguments.
class RealCpu
{
public:
    struct State
    {
        std::uint64_t rax, rcx, rdx, flags;
    };

    RealCpu()
        : page_(static_cast<std::uint8_t*>(
              mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
    {
    }
    ~RealCpu() { munmap(page_, 4096); }
    [[nodiscard]] bool usable() const { return page_ != MAP_FAILED; }

    void execute(Bytes const& instruction, void* memory, State& state)
    {
        static constexpr std::uint8_t kBefore[] = {
            0x49, 0x89, 0xf0,       // mov %rsi, %r8
            0x41, 0xff, 0x70, 0x18, // push 24(%r8)
            0x49, 0x8b, 0x00,       // mov (%r8), %rax
            0x49, 0x8b, 0x48, 0x08, // mov 8(%r8), %rcx
            0x49, 0x8b, 0x50, 0x10, // mov 16(%r8), %rdx
            0x9d,                   // popf
        };
        static constexpr std::uint8_t kAfter[] = {
            0x9c,                   // pushf
            0x41, 0x8f, 0x40, 0x18, // pop 24(%r8)
            0x49, 0x89, 0x00,       // mov %rax, (%r8)
            0x49, 0x89, 0x48, 0x08, // mov %rcx, 8(%r8)
            0x49, 0x89, 0x50, 0x10, // mov %rdx, 16(%r8)
            0xfc, 0xc3,             // cld, ret
        };
        std::uint8_t* at = page_;
        at = std::copy(std::begin(kBefore), std::end(kBefore), at);
        at = std::copy(instruction.begin(), instruction.end(), at);
        std::copy(std::begin(kAfter), std::end(kAfter), at);
        reinterpret_cast<void (*)(void*, State*)>(page_)(memory, &state);
    }

private:
    std::uint8_t* page_;
};

constexpr std::uint64_t kDefinedByAll = kFlagCarry | kFlagZero | kFlagSign | kFlagParity | kFlagOverflow;

struct Case
{
    char const* text;
    Bytes code;              // on (%rdi), with rax, rcx, rdx
    std::uint64_t undefined; // flags that the instruction leaves undefined
};

std::vector<Case> cases()
{
    std::vector<Case> all;
    std::vector<Bytes> const sizes = {{}, {0x66}, {}, {0x48}}; // prefixes for 1, 2, 4, 8 bytes
    auto const add = [&](char const* text, Bytes const& opcode, Bytes const& rest, unsigned size, bool lock,
                         std::uint64_t undefined) {
        Bytes code;
        if (lock)
            code.push_back(0xf0);
        code.insert(code.end(), sizes[size].begin(), sizes[size].end());
        code.insert(code.end(), opcode.begin(), opcode.end());
        code.insert(code.end(), rest.begin(), rest.end());
        all.push_back({text, code, undefined});
    };
    constexpr std::uint64_t kLogic = kFlagAdjust;
    constexpr std::uint64_t kBit = kFlagAdjust | kFlagZero | kFlagSign | kFlagParity | kFlagOverflow;
    for (unsigned size = 0; size < 4; ++size)
    {
        std::uint8_t const wide = size == 0 ? 0 : 1;
        for (bool const lock : {false, true})
        {
            char const* const names[] = {"add", "or", "adc", "sbb", "and", "sub", "xor"};
            for (unsigned row = 0; row < 7; ++row)
            {
                std::uint64_t const undefined = row == 1 || row == 4 || row == 6 ? kLogic : 0;
                std::uint8_t const opcode = static_cast<std::uint8_t>(row * 8 + wide);
                add(names[row], {opcode}, {0x17}, size, lock, undefined); // %rdx
                add(names[row], {static_cast<std::uint8_t>(wide ? 0x83 : 0x80)},
                    {static_cast<std::uint8_t>(0x07 | row << 3), 0x9c}, size, lock, undefined); // imm8
                if (size == 0)
                    add(names[row], {opcode}, {0x37}, size, lock, undefined); // %dh
            }
            add("xchg", {static_cast<std::uint8_t>(0x86 + wide)}, {0x17}, size, lock, 0);
            add("xadd", {0x0f, static_cast<std::uint8_t>(0xc0 + wide)}, {0x17}, size, lock, 0);
            add("cmpxchg", {0x0f, static_cast<std::uint8_t>(0xb0 + wide)}, {0x17}, size, lock, 0);
            add("inc", {static_cast<std::uint8_t>(0xfe + wide)}, {0x07}, size, lock, 0);
            add("dec", {static_cast<std::uint8_t>(0xfe + wide)}, {0x0f}, size, lock, 0);
            add("not", {static_cast<std::uint8_t>(0xf6 + wide)}, {0x17}, size, lock, 0);
            add("neg", {static_cast<std::uint8_t>(0xf6 + wide)}, {0x1f}, size, lock, 0);
            if (size != 0)
            {
                add("bts", {0x0f, 0xba}, {0x2f, 0x05}, size, lock, kBit);
                add("btr", {0x0f, 0xba}, {0x37, 0x45}, size, lock, kBit); // the bit number wraps
                add("btc", {0x0f, 0xba}, {0x3f, 0x0f}, size, lock, kBit);
            }
        }
        add("mov", {static_cast<std::uint8_t>(0x88 + wide)}, {0x17}, size, false, 0);
        Bytes immediate = {0x07};
        immediate.resize(1 + (size == 0 ? 1 : size == 1 ? 2 : 4), 0xa5);
        add("mov imm", {static_cast<std::uint8_t>(0xc6 + wide)}, immediate, size, false, 0);
    }
    return all;
}

// Every form on random operands, in every aligned place of the entry: memory, registers and flags as the CPU has them.
TEST(PageTableWrite, AgreesWithTheCpu)
{
    RealCpu cpu;
    if (!cpu.usable())
        GTEST_SKIP() << "no executable memory";
    std::mt19937_64 random(20260101);
    for (Case const& one : cases())
    {
        SCOPED_TRACE(::testing::Message() << one.text << ", " << ::testing::PrintToString(one.code));
        for (unsigned round = 0; round < 64; ++round)
        {
            std::uint64_t const start = random();
            RealCpu::State state{random(), random(), random(), 0x202 | (random() & 0x8d5)};
            FakeMachine machine;
            machine.put_code(one.code);
            Instruction decoded;
            ASSERT_EQ(decode(one.code, CodeMode::Long, decoded), DecodeStatus::Ok);
            unsigned const offset = static_cast<unsigned>(random() % 8) & ~(decoded.operand_size - 1u);
            alignas(8) std::uint64_t memory = start;
            if (one.text == std::string("cmpxchg") && (round & 1) != 0)
                state.rax = start >> (8 * offset); // make it match
            machine.registers.rax = state.rax;
            machine.registers.rcx = state.rcx;
            machine.registers.rdx = state.rdx;
            machine.registers.rflags = state.flags;
            machine.registers.rdi = kEntry + offset;

            cpu.execute(one.code, reinterpret_cast<std::uint8_t*>(&memory) + offset, state);
            std::uint64_t entry = start;
            ASSERT_TRUE(run(machine, entry));
            ASSERT_EQ(entry, memory);
            ASSERT_EQ(machine.registers.rax, state.rax);
            ASSERT_EQ(machine.registers.rcx, state.rcx);
            ASSERT_EQ(machine.registers.rdx, state.rdx);
            std::uint64_t const compared = (kDefinedByAll | kFlagAdjust) & ~one.undefined;
            ASSERT_EQ(machine.registers.rflags & compared, state.flags & compared);
            ASSERT_EQ(machine.registers.rip, FakePort::kCode + one.code.size());
        }
    }
}

TEST(PageTableWrite, PlanMayBeRepeatedWithoutEffect)
{
    FakeMachine machine;
    machine.put_code({0xf0, 0x48, 0x0f, 0xba, 0x37, 0x05}); // lock btr $5, (%rdi)
    machine.registers.rdi = kEntry;
    PageTableWrite write;
    ASSERT_TRUE(write.decode(machine.context, kEntry));
    Registers const before = machine.registers;
    EXPECT_EQ(write.plan(machine.context, 0x27).entry, 0x07u);
    EXPECT_EQ(write.plan(machine.context, 0x67).entry, 0x47u);
    EXPECT_EQ(std::memcmp(&before, &machine.registers, sizeof before), 0);
    EXPECT_TRUE(write.reads_entry());
    EXPECT_EQ(write.entry_address(), kEntry);
}

TEST(PageTableWrite, WholeMoveNeedsNoOldValue)
{
    FakeMachine machine;
    machine.put_code({0x48, 0x89, 0x07});
    machine.registers.rdi = kEntry;
    PageTableWrite write;
    ASSERT_TRUE(write.decode(machine.context, kEntry));
    EXPECT_FALSE(write.reads_entry());
    machine.put_code({0x89, 0x07});
    ASSERT_TRUE(write.decode(machine.context, kEntry));
    EXPECT_TRUE(write.reads_entry());
}

TEST(PageTableWrite, SmallStoresMergeIntoTheEntry)
{
    FakeMachine machine;
    machine.put_code({0xf0, 0x80, 0x27, 0xfd}); // lock andb $0xfd, (%rdi): Linux write-protects so
    machine.registers.rdi = kEntry;
    std::uint64_t entry = 0x8000000012345067;
    ASSERT_TRUE(run(machine, entry));
    EXPECT_EQ(entry, 0x8000000012345065u);

    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x66, 0xc7, 0x47, 0x02, 0xcd, 0xab}); // movw $0xabcd, 2(%rdi)
    PageTableWrite write;
    ASSERT_TRUE(write.decode(machine.context, kEntry + 2));
    PageTableWrite::Plan const plan = write.plan(machine.context, entry);
    EXPECT_EQ(plan.entry, 0x80000000abcd5065u);
    EXPECT_EQ(write.written(plan), 0xabcdu);
    EXPECT_EQ(write.address(), kEntry + 2);
    EXPECT_EQ(write.size(), 2u);
}

TEST(PageTableWrite, RegisterBitNumbersReachBeyondTheOperand)
{
    FakeMachine machine;
    machine.put_code({0xf0, 0x48, 0x0f, 0xab, 0x07}); // lock bts %rax, (%rdi)
    machine.registers.rdi = kEntry - 16;
    machine.registers.rax = 2 * 64 + 3;
    std::uint64_t entry = 0;
    ASSERT_TRUE(run(machine, entry));
    EXPECT_EQ(entry, 8u);
    machine.registers.rip = FakePort::kCode;
    machine.registers.rdi = kEntry + 8;
    machine.registers.rax = static_cast<std::uint64_t>(-64);
    ASSERT_TRUE(run(machine, entry));
    EXPECT_EQ(entry, 9u);
}

TEST(PageTableWrite, SegmentBasesCount)
{
    FakeMachine machine;
    machine.put_code({0x65, 0x48, 0x89, 0x07});
    machine.port.gs = 0x1000;
    machine.registers.rdi = kEntry - 0x1000;
    machine.registers.rax = 0x77;
    std::uint64_t entry = 0;
    ASSERT_TRUE(run(machine, entry));
    EXPECT_EQ(entry, 0x77u);
}

TEST(PageTableWrite, StringStoresGoOneElementAtATime)
{
    FakeMachine machine;
    machine.put_code({0xf3, 0x48, 0xab}); // rep stosq
    machine.registers.rdi = kEntry;
    machine.registers.rcx = 2;
    machine.registers.rax = 0x5a;
    std::uint64_t entry = 1;
    ASSERT_TRUE(run(machine, entry));
    EXPECT_EQ(entry, 0x5au);
    EXPECT_EQ(machine.registers.rdi, kEntry + 8);
    EXPECT_EQ(machine.registers.rcx, 1u);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode);
    ASSERT_TRUE(run(machine, entry, kEntry + 8));
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 3);

    FakeMachine copy;
    copy.put_code({0x48, 0xa5}); // movsq
    copy.port.data[0x10] = 0x63;
    copy.registers.rsi = FakePort::kData + 0x10;
    copy.registers.rdi = kEntry;
    copy.registers.rflags |= kFlagDirection;
    ASSERT_TRUE(run(copy, entry));
    EXPECT_EQ(entry, 0x63u);
    EXPECT_EQ(copy.registers.rsi, FakePort::kData + 8);
    EXPECT_EQ(copy.registers.rdi, kEntry - 8);
    EXPECT_EQ(copy.registers.rip, FakePort::kCode + 2);

    copy.registers.rip = FakePort::kCode;
    copy.registers.rdi = kEntry;
    copy.registers.rsi = 0x1000; // not readable
    EXPECT_EQ(run(copy, entry).error(), Errno::Fault);
}

TEST(PageTableWrite, RefusesWhatDoesNotFitOneEntry)
{
    std::uint64_t entry = 0;
    FakeMachine machine;
    machine.put_code({0x48, 0x89, 0x07});
    machine.registers.rdi = kEntry + 1; // crosses into the next entry
    EXPECT_EQ(run(machine, entry, kEntry + 1).error(), Errno::Inval);
    machine.registers.rdi = kEntry; // not where the fault was
    EXPECT_EQ(run(machine, entry, kEntry + 8).error(), Errno::Inval);
    machine.put_code({0x48, 0x89, 0xc0}); // mov to a register
    EXPECT_EQ(run(machine, entry).error(), Errno::Inval);
    machine.put_code({0x0f, 0x32, 0x90}); // rdmsr
    EXPECT_EQ(run(machine, entry).error(), Errno::Inval);
    machine.put_code({0x48, 0x0f, 0xc7, 0x0f}); // cmpxchg16b
    EXPECT_EQ(run(machine, entry).error(), Errno::Inval);
    machine.port.code_bytes = 2;
    machine.put_code({0x48, 0x89, 0x07});
    EXPECT_EQ(run(machine, entry).error(), Errno::Fault);
    EXPECT_EQ(entry, 0u);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode);
}

TEST(PageTableWrite, SingleStepTraps)
{
    FakeMachine machine;
    machine.put_code({0x48, 0x89, 0x07});
    machine.registers.rdi = kEntry;
    machine.registers.rflags |= kFlagTrap;
    PageTableWrite write;
    ASSERT_TRUE(write.decode(machine.context, kEntry));
    EXPECT_TRUE(write.commit(machine.context, write.plan(machine.context, 0)));
    EXPECT_EQ(machine.vcpu.pv.dr6, 0xffff4ff0u);
}

} // namespace
} // namespace hv::emulate
