// SPDX-License-Identifier: MIT
// I/O ports: permission by virtual IOPL and bitmap, what a plain guest and the control domain reach, string I/O.
#include <core/emulate/fake_machine.hpp>
#include <core/emulate/legacy_ports.hpp>
#include <core/emulate/port_access.hpp>
#include <core/emulate/privileged.hpp>
#include <core/policy/control_registers.hpp>

#include <gtest/gtest.h>

namespace hv::emulate
{
namespace
{

using test::FakeMachine;
using test::FakePort;
using test::PortAccess;

EmulationOutcome run(FakeMachine& machine, std::initializer_list<std::uint8_t> code)
{
    machine.registers.rip = FakePort::kCode;
    machine.put_code(code);
    return emulate_privileged(machine.context).outcome;
}

TEST(Ports, WithoutIoplTheGuestGetsItsFault)
{
    FakeMachine machine;
    machine.vcpu.pv.iopl = 0;
    EXPECT_EQ(run(machine, {0xec}), EmulationOutcome::NotHandled);
    machine.vcpu.pv.iopl = 1;
    machine.vcpu.pv.in_kernel = false;
    EXPECT_EQ(run(machine, {0xec}), EmulationOutcome::NotHandled);
    EXPECT_TRUE(machine.port.reads.empty());
}

TEST(Ports, BitmapPermitsWhereIoplDoesNot)
{
    FakeMachine machine;
    machine.vcpu.pv.in_kernel = false;
    machine.vcpu.pv.io_bitmap = GuestVirtual{FakePort::kData};
    machine.vcpu.pv.io_bitmap_ports = 0x400;
    machine.port.data.fill(0xff);
    machine.port.data[0x3f8 / 8 - 1] = 0x7f; // only port 0x3f7
    machine.port.data[0x3f8 / 8] = 0xfe;     // and 0x3f8
    EXPECT_TRUE(port_access_allowed(machine.context, 0x3f7, 1));
    EXPECT_TRUE(port_access_allowed(machine.context, 0x3f7, 2)); // across a byte of the map
    EXPECT_FALSE(port_access_allowed(machine.context, 0x3f7, 4));
    EXPECT_FALSE(port_access_allowed(machine.context, 0x3f9, 1));
    machine.port.data.fill(0);
    EXPECT_TRUE(port_access_allowed(machine.context, 0x3fc, 4));
    EXPECT_FALSE(port_access_allowed(machine.context, 0x3fd, 4)); // reaches beyond the map
    machine.vcpu.pv.io_bitmap = GuestVirtual{0x1000};             // not mapped
    EXPECT_FALSE(port_access_allowed(machine.context, 0, 1));
}

TEST(Ports, PlainGuestReadsOnesAndWritesNothing)
{
    FakeMachine machine;
    machine.registers.rdx = 0x3f8;
    machine.registers.rax = 0x1122334455667788;
    EXPECT_EQ(run(machine, {0xec}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0x11223344556677ffu);
    EXPECT_EQ(run(machine, {0x66, 0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0x112233445566ffffu);
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0xffffffffu);
    EXPECT_EQ(run(machine, {0xef}), EmulationOutcome::Done);
    machine.registers.rdx = 0xcf8;
    EXPECT_EQ(run(machine, {0xef}), EmulationOutcome::Done);
    EXPECT_TRUE(machine.port.reads.empty());
    EXPECT_TRUE(machine.port.writes.empty());
    EXPECT_EQ(machine.vcpu.pv.config_address, 0u);
    EXPECT_EQ(machine.counted(Counter::Emulated_io), 5u);
}

TEST(Ports, GrantedRangeReachesTheMachineWhole)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x1f0, 0x1f7));
    machine.registers.rdx = 0x1f0;
    machine.registers.rax = 0xdeadbeef;
    EXPECT_EQ(run(machine, {0xef}), EmulationOutcome::Done);
    EXPECT_EQ(machine.port.writes, (std::vector<PortAccess>{{0x1f0, 4, 0xdeadbeef}}));
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0xaabbccddu);
}

TEST(Ports, AccessAcrossTheEdgeOfARangeIsSplit)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x1f0, 0x1f7));
    machine.registers.rdx = 0x1f6;
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0xffffddddu); // two bytes from the machine, two denied
    EXPECT_EQ(machine.port.reads.size(), 2u);
    machine.registers.rdx = 0xffff; // does not wrap into anything granted
    ASSERT_TRUE(machine.io_ports.add(0xffff, 0xffff));
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0xffffffddu);
}

TEST(Ports, ControlDomainReachesConfigurationSpaceThroughItsLatch)
{
    FakeMachine machine(true);
    machine.registers.rdx = 0xcf8;
    machine.registers.rax = 0x80000800;
    EXPECT_EQ(run(machine, {0xef}), EmulationOutcome::Done);
    machine.registers.rax = 0;
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0x80000800u);
    machine.registers.rdx = 0xcfe;
    EXPECT_EQ(run(machine, {0x66, 0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0x80008086u);
    machine.registers.rax = 0x1234;
    EXPECT_EQ(run(machine, {0x66, 0xef}), EmulationOutcome::Done);
    using Read = std::tuple<std::uint32_t, unsigned, unsigned>;
    using Write = std::tuple<std::uint32_t, unsigned, unsigned, std::uint32_t>;
    EXPECT_EQ(machine.port.config_reads, (std::vector<Read>{{0x80000800, 2, 2}}));
    EXPECT_EQ(machine.port.config_writes, (std::vector<Write>{{0x80000800, 2, 2, 0x1234}}));
    EXPECT_TRUE(machine.port.reads.empty());

    machine.registers.rdx = 0xcf8; // without the enable bit nothing is reached
    machine.registers.rax = 0x800;
    EXPECT_EQ(run(machine, {0xef}), EmulationOutcome::Done);
    machine.registers.rdx = 0xcfc;
    EXPECT_EQ(run(machine, {0xed}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax, 0xffffffffu);
    EXPECT_EQ(machine.port.config_reads.size(), 1u);
}

TEST(Ports, ControlDomainReadsTheClockThroughItsIndex)
{
    FakeMachine machine(true);
    machine.port.cmos[0x0a] = 0x26;
    machine.registers.rax = 0x8a; // the top bit is the NMI switch, not ours to give
    EXPECT_EQ(run(machine, {0xe6, 0x70}), EmulationOutcome::Done);
    EXPECT_EQ(run(machine, {0xe4, 0x71}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rax & 0xff, 0x26u);
    machine.registers.rax = 0x2f;
    EXPECT_EQ(run(machine, {0xe6, 0x71}), EmulationOutcome::Done);
    EXPECT_EQ(machine.port.cmos[0x0a], 0x2f);
    EXPECT_TRUE(machine.port.writes.empty());
    EXPECT_EQ(run(machine, {0xe4, 0x20}), EmulationOutcome::Done); // the interrupt controller is ours
    EXPECT_EQ(machine.registers.rax & 0xff, 0xffu);
}

TEST(LegacyPorts, Channel2CountsDownWhileItsGateIsOpen)
{
    FakePort machine;
    LegacyPorts ports;
    machine.time = 1000000;
    ports.write(machine, 0x61, 0x01);
    ports.write(machine, 0x43, 0xb0); // channel 2, both bytes, mode 0
    ports.write(machine, 0x42, 0x9c);
    ports.write(machine, 0x42, 0x2e); // 11932 ticks = 10 ms
    EXPECT_EQ(ports.read(machine, 0x61) & 0x20, 0);
    machine.time += 5000000;
    ports.write(machine, 0x43, 0x80); // latch
    machine.time += 1000000;
    unsigned const low = ports.read(machine, 0x42);
    unsigned const latched = low | static_cast<unsigned>(ports.read(machine, 0x42)) << 8;
    EXPECT_EQ(latched, 11932u - 5965u);
    EXPECT_EQ(ports.read(machine, 0x61) & 0x20, 0);
    machine.time += 4001000;
    EXPECT_EQ(ports.read(machine, 0x61) & 0x21, 0x21);
}

TEST(StringPorts, InsFillsMemoryAndStopsAtAFault)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x1f0, 0x1f0 + 3));
    machine.registers.rdx = 0x1f0;
    machine.registers.rdi = FakePort::kData + FakePort::kBytes - 8;
    machine.registers.rcx = 4;
    machine.registers.rip = FakePort::kCode;
    machine.put_code({0xf3, 0x6d});
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Fault);
    EXPECT_EQ(result.vector, kVectorPageFault);
    EXPECT_EQ(result.address, FakePort::kData + FakePort::kBytes);
    EXPECT_EQ(result.error & kPageFaultWrite, kPageFaultWrite);
    EXPECT_EQ(machine.registers.rcx, 2u);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode);
    EXPECT_EQ(machine.port.reads.size(), 2u); // the port was not read for the element that did not fit
    EXPECT_EQ(machine.data_word(FakePort::kBytes - 8), 0xaabbccddaabbccddu);
}

TEST(StringPorts, InsDoesNotReadThePortWhenMemoryIsReadOnly)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x60, 0x60));
    machine.port.data_writable = false;
    machine.registers.rdx = 0x60;
    machine.registers.rdi = FakePort::kData;
    EXPECT_EQ(run(machine, {0x6c}), EmulationOutcome::Fault);
    EXPECT_TRUE(machine.port.reads.empty());
}

TEST(StringPorts, OutsWritesBackwardsWhenTheDirectionFlagSays)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x3f8, 0x3f8));
    machine.port.data[0] = 'a';
    machine.port.data[1] = 'b';
    machine.registers.rdx = 0x3f8;
    machine.registers.rsi = FakePort::kData + 1;
    machine.registers.rcx = 2;
    machine.registers.rflags |= kFlagDirection;
    EXPECT_EQ(run(machine, {0xf3, 0x6e}), EmulationOutcome::Done);
    EXPECT_EQ(machine.port.writes, (std::vector<PortAccess>{{0x3f8, 1, 'b'}, {0x3f8, 1, 'a'}}));
    EXPECT_EQ(machine.registers.rcx, 0u);
    EXPECT_EQ(machine.registers.rsi, FakePort::kData - 1);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 2);
}

TEST(StringPorts, LongRepeatsAreInterruptible)
{
    FakeMachine machine;
    ASSERT_TRUE(machine.io_ports.add(0x3f8, 0x3f8));
    machine.registers.rdx = 0x3f8;
    machine.registers.rsi = FakePort::kData;
    machine.registers.rcx = 100;
    EXPECT_EQ(run(machine, {0xf3, 0x6e}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode); // again, for the rest
    EXPECT_GT(machine.registers.rcx, 0u);
    EXPECT_EQ(emulate_privileged(machine.context).outcome, EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rcx, 0u);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 2);
    EXPECT_EQ(machine.port.writes.size(), 100u);

    machine.registers.rcx = 0; // nothing to do, but the instruction is over
    EXPECT_EQ(run(machine, {0xf3, 0x6e}), EmulationOutcome::Done);
    EXPECT_EQ(machine.registers.rip, FakePort::kCode + 2);
    EXPECT_EQ(machine.port.writes.size(), 100u);
}

TEST(IoBreakpoints, HitWhereTheyOverlapTheAccess)
{
    PvState state;
    state.debug_address = {0x60, 0x64, 0x70, 0};
    state.dr7 = 0x400 | 1 << 0 | 2 << 16 | 0 << 18 // DR0: one port
                | 1 << 2 | 2 << 20 | 3u << 22      // DR1: four ports
                | 1 << 4 | 1 << 24;                // DR2: a data breakpoint
    EXPECT_EQ(io_breakpoints(state, 0x60, 1), 0u); // not without CR4.DE
    state.cr4 = policy::kCr4DebuggingExtensions;
    EXPECT_EQ(io_breakpoints(state, 0x60, 1), 1u);
    EXPECT_EQ(io_breakpoints(state, 0x61, 1), 0u);
    EXPECT_EQ(io_breakpoints(state, 0x5e, 4), 1u);
    EXPECT_EQ(io_breakpoints(state, 0x67, 1), 2u);
    EXPECT_EQ(io_breakpoints(state, 0x68, 1), 0u);
    EXPECT_EQ(io_breakpoints(state, 0x60, 8), 3u);
    EXPECT_EQ(io_breakpoints(state, 0x70, 1), 0u);
}

TEST(IoBreakpoints, TrapAfterTheAccess)
{
    FakeMachine machine;
    machine.vcpu.pv.cr4 = policy::kCr4DebuggingExtensions;
    machine.vcpu.pv.debug_address[2] = 0x61;
    machine.vcpu.pv.dr7 = 0x400 | 1 << 4 | 2 << 24;
    machine.put_code({0xe4, 0x61});
    EmulationResult const result = emulate_privileged(machine.context);
    EXPECT_EQ(result.outcome, EmulationOutcome::Done);
    EXPECT_TRUE(result.debug_trap);
    EXPECT_EQ(machine.vcpu.pv.dr6, 0xffff0ff4u);
}

} // namespace
} // namespace hv::emulate
