// SPDX-License-Identifier: MIT
// Privileged instructions end to end: fetch, permission, effect, stepping over, counting.
#include <core/emulate/fake_machine.hpp>
#include <core/emulate/privileged.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/msr_rules.hpp>

#include <gtest/gtest.h>

namespace hv::emulate
{
namespace
{

using test::FakeMachine;
using test::FakePort;

void expect_done(FakeMachine& machine, unsigned length)
{
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Done);
    EXPECT_FALSE(result.debug_trap);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + length);
}

void expect_not_handled(FakeMachine& machine)
{
    Registers const before = machine.registers;
    EXPECT_EQ(emulate_privileged(machine.context).outcome, EmulationOutcome::NotHandled);
    EXPECT_EQ(std::memcmp(&before, &machine.registers, sizeof before), 0);
}

void expect_fault(FakeMachine& machine, unsigned vector)
{
    Registers const before = machine.registers;
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Fault);
    EXPECT_EQ(result.vector, vector);
    EXPECT_EQ(result.error, 0u);
    EXPECT_EQ(std::memcmp(&before, &machine.registers, sizeof before), 0);
}

constexpr std::initializer_list<std::uint8_t> kReadMsr = {0x0f, 0x32};
constexpr std::initializer_list<std::uint8_t> kWriteMsr = {0x0f, 0x30};

void set_msr_operands(FakeMachine& machine, std::uint32_t index, std::uint64_t value = 0)
{
    machine.registers.rcx = 0xffffffff00000000 | index; // only ecx counts
    machine.registers.rax = value & 0xffffffff;
    machine.registers.rdx = value >> 32;
}

TEST(Privileged, BasesGoThroughMsrs)
{
    for (std::uint32_t const index : {0xc0000100u, 0xc0000101u, 0xc0000102u})
    {
        FakeMachine machine;
        set_msr_operands(machine, index, 0xffff888000001000);
        machine.put_code(kWriteMsr);
        expect_done(machine, 2);
        EXPECT_EQ(machine.counted(Counter::Emulated_wrmsr), 1u);
        machine.put_code(kReadMsr);
        expect_done(machine, 4);
        EXPECT_EQ(machine.registers.rax, 0x00001000u);
        EXPECT_EQ(machine.registers.rdx, 0xffff8880u);
        std::uint64_t const now = index == 0xc0000100   ? machine.port.fs
                                  : index == 0xc0000101 ? machine.port.gs
                                                        : machine.port.inactive_gs;
        EXPECT_EQ(now, 0xffff888000001000u);
    }
}

TEST(Privileged, NonCanonicalBaseIsRefused) // XSA-193
{
    FakeMachine machine;
    set_msr_operands(machine, 0xc0000100, 0x8000000000000000);
    machine.put_code(kWriteMsr);
    expect_not_handled(machine);
    EXPECT_EQ(machine.port.fs, 0x10000u);
}

TEST(Privileged, UnknownMsrReadsAsZeroOnlyUntilTheGuestCanTakeFaults)
{
    FakeMachine machine;
    set_msr_operands(machine, 0x606);
    machine.put_code(kReadMsr);
    machine.registers.rax = machine.registers.rdx = ~0ull;
    expect_done(machine, 2);
    EXPECT_EQ(machine.registers.rax, 0u);
    EXPECT_EQ(machine.registers.rdx, 0u);

    machine.traps[kVectorGeneralProtection].address = 0xffffffff81000000;
    machine.registers.rip = FakePort::kCode;
    expect_not_handled(machine);
    machine.put_code(kWriteMsr);
    expect_not_handled(machine);
}

TEST(Privileged, UserModeHasNoMsrs)
{
    FakeMachine machine;
    machine.vcpu.pv.in_kernel = false;
    set_msr_operands(machine, 0xc0000100);
    machine.put_code(kReadMsr);
    expect_not_handled(machine);
    machine.put_code({0x0f, 0x20, 0xc0});
    expect_not_handled(machine);
    machine.put_code({0x0f, 0x06});
    expect_not_handled(machine);
}

TEST(Privileged, MsrsThatAreGuarded)
{
    FakeMachine machine;
    machine.traps[kVectorGeneralProtection].address = 0xffffffff81000000;
    machine.put_code(kReadMsr);
    set_msr_operands(machine, policy::kMsrMiscEnable);
    expect_not_handled(machine); // the CPU has none: XSA-333

    machine.port.msrs[policy::kMsrMiscEnable] = 0x850089;
    expect_done(machine, 2);
    EXPECT_EQ(machine.registers.rax, (0x850089u & ~0x40080u) | 0x801800u);

    machine.registers.rip = FakePort::kCode;
    machine.port.msrs[policy::kMsrEfer] = 0x1d01;
    set_msr_operands(machine, policy::kMsrEfer);
    expect_done(machine, 2);
    EXPECT_EQ(machine.registers.rax, 0xd01u);

    machine.registers.rip = FakePort::kCode;
    machine.put_code(kWriteMsr);
    set_msr_operands(machine, policy::kMsrEfer, 0xd01);
    expect_done(machine, 2);
    machine.registers.rip = FakePort::kCode;
    set_msr_operands(machine, policy::kMsrEfer, 0xc01);
    expect_not_handled(machine);
    EXPECT_TRUE(machine.port.msr_writes.empty());
}

TEST(Privileged, PatReadsAsTheAbiSays)
{
    FakeMachine machine;
    set_msr_operands(machine, 0x277);
    machine.put_code(kReadMsr);
    expect_done(machine, 2);
    EXPECT_EQ(machine.registers.rax | machine.registers.rdx << 32, 0x0000050100070406u);
    machine.registers.rip = FakePort::kCode;
    machine.put_code(kWriteMsr);
    expect_not_handled(machine);
}

TEST(Privileged, ApicBaseNamesTheBootstrapProcessor)
{
    FakeMachine machine;
    set_msr_operands(machine, 0x1b);
    machine.put_code(kReadMsr);
    expect_done(machine, 2);
    EXPECT_EQ(machine.registers.rax, 0xfee00900u);
}

TEST(Privileged, TscAuxIsPerVcpu)
{
    FakeMachine machine;
    set_msr_operands(machine, 0xc0000103, 0x1007);
    machine.put_code(kWriteMsr);
    expect_done(machine, 2);
    EXPECT_EQ(machine.port.tsc_aux_changes, 1);
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x0f, 0x01, 0xf9}); // rdtscp
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rcx, 0x1007u);
    EXPECT_EQ(machine.registers.rax, 0x55667788u);
    EXPECT_EQ(machine.registers.rdx, 0x11223344u);
}

TEST(Privileged, HypercallPageByMsr)
{
    FakeMachine machine;
    set_msr_operands(machine, 0x40000000, 0x345000);
    machine.put_code(kWriteMsr);
    expect_done(machine, 2);
    EXPECT_EQ(machine.port.hypercall_page, GuestFrame{0x345});
    machine.registers.rip = FakePort::kCode;
    set_msr_operands(machine, 0x40000000, 0x2000000);
    expect_not_handled(machine);
}

TEST(Privileged, Cr0ShowsTheVirtualTaskSwitchedBitAndChangesNothingElse)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x20, 0xc3}); // mov %cr0, %rbx
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rbx, 0x80050033u);
    EXPECT_EQ(machine.counted(Counter::Emulated_control_register), 1u);

    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x0f, 0x22, 0xc3}); // mov %rbx, %cr0
    machine.registers.rbx |= policy::kCr0TaskSwitched;
    expect_done(machine, 3);
    EXPECT_TRUE(machine.vcpu.pv.fpu_task_switched);
    EXPECT_EQ(machine.port.task_switched_changes, 1);

    machine.registers.rip = FakePort::kCode;
    machine.registers.rbx = 0x80050033 & ~(1u << 16); // without WP
    expect_fault(machine, kVectorGeneralProtection);

    machine.put_code({0x0f, 0x06}); // clts
    expect_done(machine, 2);
    EXPECT_FALSE(machine.vcpu.pv.fpu_task_switched);
}

TEST(Privileged, Cr2IsTheSharedOne)
{
    FakeMachine machine;
    machine.info.arch.cr2 = 0x7fff12345678;
    machine.put_code({0x0f, 0x20, 0xd0}); // mov %cr2, %rax
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rax, 0x7fff12345678u);
    machine.registers.rip = FakePort::kCode;
    machine.registers.rax = 5;
    machine.put_code({0x0f, 0x22, 0xd0});
    expect_done(machine, 3);
    EXPECT_EQ(machine.info.arch.cr2, 5u);
}

TEST(Privileged, Cr3IsTheKernelRoot)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x20, 0xd8}); // mov %cr3, %rax
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rax, 0x123000u);
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x0f, 0x22, 0xd8});
    machine.registers.rax = 0x456000;
    expect_done(machine, 3);
    EXPECT_EQ(machine.port.loaded_root, Mfn{0x456});
    machine.registers.rip = FakePort::kCode;
    machine.registers.rax = 0x8000000000456000;
    expect_fault(machine, kVectorGeneralProtection);
}

TEST(Privileged, Cr4KeepsTheGuestsBitsAndDropsTheRestSilently)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x22, 0xe0}); // mov %rax, %cr4
    machine.registers.rax = ~0ull;
    expect_done(machine, 3);
    EXPECT_EQ(machine.vcpu.pv.cr4, policy::kCr4Guest);
    EXPECT_EQ(machine.port.cr4_changes, 1);
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x0f, 0x20, 0xe0});
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rax, policy::kCr4Guest | policy::kCr4Visible);
    // Without the features the bits do not stick.
    policy::FeatureSet features = machine.policy.features();
    features.set(abi::XEN_X86_FEATURE_FSGSBASE, false);
    features.set(abi::XEN_X86_FEATURE_XSAVE, false);
    machine.policy.set_features(features);
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0x0f, 0x22, 0xe0});
    machine.registers.rax = ~0ull;
    expect_done(machine, 3);
    EXPECT_EQ(machine.vcpu.pv.cr4, policy::kCr4TimeStampDisable | policy::kCr4DebuggingExtensions);
}

TEST(Privileged, Cr8DoesNotExist)
{
    FakeMachine machine;
    machine.put_code({0x44, 0x0f, 0x20, 0xc0});
    expect_not_handled(machine);
}

TEST(Privileged, DebugRegisters)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x23, 0xc0}); // mov %rax, %dr0
    machine.registers.rax = 0x400100;
    expect_done(machine, 3);
    EXPECT_EQ(machine.vcpu.pv.debug_address[0], 0x400100u);
    EXPECT_EQ(machine.counted(Counter::Emulated_debug_register), 1u);
    machine.registers.rip = FakePort::kCode;
    machine.registers.rax = kHypervisorStart;
    expect_fault(machine, kVectorGeneralProtection);
    machine.put_code({0x0f, 0x21, 0xe0}); // mov %dr4, %rax: another name of DR6
    expect_done(machine, 3);
    EXPECT_EQ(machine.registers.rax, 0xffff0ff0u);
    machine.registers.rip = FakePort::kCode;
    machine.vcpu.pv.cr4 = policy::kCr4DebuggingExtensions;
    expect_fault(machine, kVectorInvalidOpcode);
}

TEST(Privileged, SetExtendedControl)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x01, 0xd1});
    machine.registers.rax = 7;
    expect_fault(machine, kVectorInvalidOpcode); // CR4.OSXSAVE is not set
    machine.vcpu.pv.cr4 = policy::kCr4OsXsave;
    expect_done(machine, 3);
    EXPECT_EQ(machine.vcpu.pv.xcr0, 7u);
    for (std::uint64_t const value : {0ull, 6ull, 5ull, 0xfull, 0x27ull, 0x100000007ull})
    {
        SCOPED_TRACE(value);
        machine.registers.rip = FakePort::kCode;
        machine.registers.rax = value & 0xffffffff;
        machine.registers.rdx = value >> 32;
        expect_fault(machine, kVectorGeneralProtection);
    }
    machine.registers.rax = 7;
    machine.registers.rdx = 0;
    machine.registers.rcx = 1;
    expect_fault(machine, kVectorGeneralProtection);
    EXPECT_EQ(machine.vcpu.pv.xcr0, 7u);
}

TEST(Privileged, TimeStampDisableHoldsForUserModeOnly)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x31});
    machine.vcpu.pv.cr4 = policy::kCr4TimeStampDisable;
    expect_done(machine, 2);
    machine.registers.rip = FakePort::kCode;
    machine.vcpu.pv.in_kernel = false;
    expect_not_handled(machine);
    machine.vcpu.pv.cr4 = 0;
    expect_done(machine, 2);
}

TEST(Privileged, InterruptFlagFollowsVirtualIopl)
{
    for (std::uint8_t const opcode : {0xfa, 0xfb})
    {
        FakeMachine machine;
        machine.put_code({opcode});
        expect_done(machine, 1);
        EXPECT_EQ(machine.registers.rflags, 0x202u); // no effect on the flag
        machine.registers.rip = FakePort::kCode;
        machine.vcpu.pv.iopl = 0;
        expect_not_handled(machine);
        machine.domain().vm_assist = 1u << VMASST_TYPE_architectural_iopl;
        expect_done(machine, 1);
        machine.registers.rip = FakePort::kCode;
        machine.vcpu.pv.in_kernel = false;
        machine.vcpu.pv.iopl = 2;
        expect_not_handled(machine);
        machine.vcpu.pv.iopl = 3;
        expect_done(machine, 1);
    }
}

TEST(Privileged, CachesAreWrittenBackForTheControlDomainOnly)
{
    FakeMachine guest;
    guest.put_code({0x0f, 0x09});
    expect_done(guest, 2);
    EXPECT_EQ(guest.port.cache_writes, 0);
    FakeMachine control(true);
    control.put_code({0x0f, 0x09});
    expect_done(control, 2);
    EXPECT_EQ(control.port.cache_writes, 1);
}

TEST(Privileged, SingleStepRaisesTheTrapAfterTheInstruction)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x06});
    machine.registers.rflags |= kFlagTrap | kFlagResume;
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Done);
    EXPECT_TRUE(result.debug_trap);
    EXPECT_EQ(machine.vcpu.pv.dr6, 0xffff4ff0u);
    EXPECT_EQ(machine.registers.rflags & kFlagResume, 0u);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 2);
}

TEST(Privileged, CodeThatEndsAtAnUnreadablePageFaultsThere)
{
    FakeMachine machine;
    machine.port.code_bytes = 1;
    machine.put_code({0x0f, 0x32});
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Fault);
    EXPECT_EQ(result.vector, kVectorPageFault);
    EXPECT_EQ(result.error, kPageFaultFetch);
    EXPECT_EQ(result.address, FakePort::kCode + 1);
}

TEST(Privileged, CodeSegmentsAreFollowed)
{
    FakeMachine machine;
    machine.vcpu.pv.in_kernel = false;
    machine.vcpu.pv.iopl = 3;
    machine.registers.cs = 0x23;
    machine.registers.rip = 0x10;
    expect_not_handled(machine); // no such descriptor
    // 32-bit code at base 0x3ffff0, limit 0x1f bytes.
    machine.port.descriptors[0x23] = 0x0040fb3ffff0001f;
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0xed}); // linear 0x400000 = base + 0x10
    machine.registers.rip = 0x10;
    machine.registers.rdx = 0x60;
    EmulationResult result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rip, 0x11u);
    EXPECT_EQ(machine.registers.rax, 0xffffffffu);
    machine.registers.rip = 0x20; // beyond the limit
    expect_not_handled(machine);
    machine.port.descriptors[0x23] = 0x0040f33ffff0001f; // data
    machine.registers.rip = 0x10;
    expect_not_handled(machine);
}

TEST(InvalidOpcode, PrefixedCpuidIsAnswered)
{
    FakeMachine machine;
    machine.put_code({0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2});
    machine.registers.rax = 0xffffffff40000000;
    machine.registers.rcx = 0;
    EXPECT_EQ(emulate_invalid_opcode(machine.context).outcome, EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 7);
    EXPECT_EQ(machine.registers.rax, 0x40000005u);
    EXPECT_EQ(machine.registers.rbx, 0x566e6558u);
    EXPECT_EQ(machine.registers.rcx, 0x65584d4du);
    EXPECT_EQ(machine.registers.rdx, 0x4d4d566eu);
    EXPECT_EQ(machine.counted(Counter::Emulated_cpuid), 1u);
}

TEST(Privileged, EachInstructionOfTheKernelIsCountedOnceByItsKind)
{
    struct Case
    {
        std::vector<std::uint8_t> code;
        Counter counter;
    };
    Case const cases[] = {{{0x0f, 0x20, 0xc0}, Counter::Emulated_control_register}, // mov %cr0, %rax
                          {{0x0f, 0x22, 0xe0}, Counter::Emulated_control_register}, // mov %rax, %cr4
                          {{0x0f, 0x06}, Counter::Emulated_control_register},       // clts
                          {{0x0f, 0x21, 0xf8}, Counter::Emulated_debug_register},   // mov %dr7, %rax
                          {{0x0f, 0x23, 0xf8}, Counter::Emulated_debug_register},   // mov %rax, %dr7
                          {{0x0f, 0x01, 0xd1}, Counter::Emulated_other},            // xsetbv
                          {{0x0f, 0x09}, Counter::Emulated_other},                  // wbinvd
                          {{0x0f, 0x31}, Counter::Emulated_other}};                 // rdtsc
    for (Case const& one : cases)
    {
        FakeMachine machine;
        machine.put_code(one.code);
        (void)emulate_privileged(machine.context);
        for (unsigned number = 0; number < kCounters; ++number)
            EXPECT_EQ(machine.counters[number], number == static_cast<unsigned>(one.counter) ? 1u : 0u)
                << "code " << unsigned{one.code[1]} << ", counter " << number;
    }
}

TEST(InvalidOpcode, AnythingElseStaysWithTheGuest)
{
    std::initializer_list<std::uint8_t> const kOthers[] = {
        {0x0f, 0x0b, 0, 0, 0, 0, 0, 0},
        {0x0f, 0x0b, 'x', 'e', 'm', 0x0f, 0xa2},
        {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0x31},
        {0x0f, 0xff},
    };
    for (auto const& bytes : kOthers)
    {
        FakeMachine machine;
        machine.put_code(bytes);
        EXPECT_EQ(emulate_invalid_opcode(machine.context).outcome, EmulationOutcome::NotHandled);
        EXPECT_EQ(machine.registers.rip, FakePort::kCode);
    }
}

} // namespace
} // namespace hv::emulate
