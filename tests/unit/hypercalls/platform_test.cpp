// SPDX-License-Identifier: MIT
// platform_op: who may call it, the clock, firmware's lists that must end, processors, switching off.
#include "../core/irq/fake_devices.hpp"
#include "hypercall.hpp"
#include "machine_test.hpp"

#include <core/time/clock.hpp>

namespace hv
{
namespace
{

class PlatformTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        set_device_machine(&devices);
    }
    void TearDown() override
    {
        MachineTest::TearDown();
        set_device_machine(nullptr);
    }
    // As the domain's first vCPU would make it; the structure is copied back.
    static Errno call(Domain& domain, abi::xen_platform_op& op)
    {
        auto* const guest_op = host::guest_new(op);
        host::make_current(host::kToolCpu, domain.vcpu(0));
        HypercallArgs args{{host::guest_address(guest_op)}};
        auto const result = dispatch_hypercall(*domain.vcpu(0), __HYPERVISOR_platform_op, args);
        host::make_current(host::kToolCpu, nullptr);
        op = *guest_op;
        return result.error();
    }
    static abi::xen_platform_op operation(std::uint32_t command)
    {
        abi::xen_platform_op op{};
        op.cmd = command;
        op.interface_version = XENPF_INTERFACE_VERSION;
        return op;
    }

    test::FakeDevices devices;
};

TEST_F(PlatformTest, VersionIsCheckedBeforePrivilege)
{
    Domain& guest = domain();
    auto op = operation(XENPF_get_cpuinfo);
    EXPECT_EQ(call(guest, op), Errno::Perm);
    op.interface_version = 1;
    EXPECT_EQ(call(guest, op), Errno::Access);
}

TEST_F(PlatformTest, TheClockIsSetWithinReason)
{
    Domain& control = domain(1, true);
    auto op = operation(XENPF_settime64);
    op.u.settime64.secs = 1'700'000'000;
    op.u.settime64.system_time = port::now().raw();
    EXPECT_EQ(call(control, op), Errno::None);
    EXPECT_EQ(wallclock_seconds(), 1'700'000'000ull);
    op.u.settime64.mbz = 1;
    EXPECT_EQ(call(control, op), Errno::Inval);
    op.u.settime64.mbz = 0;
    op.u.settime64.secs = ~0ull;
    EXPECT_EQ(call(control, op), Errno::Inval);
    op.u.settime64.secs = 0;
    op.u.settime64.nsecs = 1'000'000'000;
    EXPECT_EQ(call(control, op), Errno::Inval);
    EXPECT_EQ(wallclock_seconds(), 1'700'000'000ull);
}

TEST_F(PlatformTest, FirmwareListsEnd)
{
    Domain& control = domain(1, true);
    for (std::uint32_t const type : {XEN_FW_DISK_INFO, XEN_FW_DISK_MBR_SIGNATURE, XEN_FW_VBEDDC_INFO, XEN_FW_EFI_INFO})
    {
        auto op = operation(XENPF_firmware_info);
        op.u.firmware_info.type = type;
        EXPECT_EQ(call(control, op), Errno::Srch) << "type " << type;
    }
    auto op = operation(XENPF_firmware_info);
    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    EXPECT_EQ(call(control, op), Errno::None);
    EXPECT_EQ(op.u.firmware_info.u.kbd_shift_flags, 0x20);
}

TEST_F(PlatformTest, ProcessorsAreNamedByTheFirmware)
{
    Domain& control = domain(1, true);
    auto op = operation(XENPF_get_cpuinfo);
    op.u.pcpu_info.xen_cpuid = 3;
    EXPECT_EQ(call(control, op), Errno::None);
    EXPECT_EQ(op.u.pcpu_info.max_present, host::kCpus - 1);
    EXPECT_EQ(op.u.pcpu_info.flags, std::uint32_t{XEN_PCPU_FLAGS_ONLINE});
    EXPECT_EQ(op.u.pcpu_info.apic_id, 6u);
    op.u.pcpu_info.xen_cpuid = 99;
    EXPECT_EQ(call(control, op), Errno::None);
    EXPECT_EQ(op.u.pcpu_info.flags, std::uint32_t{XEN_PCPU_FLAGS_INVALID});
}

TEST_F(PlatformTest, OnlySwitchingOffIsASleepState)
{
    Domain& control = domain(1, true);
    auto op = operation(XENPF_enter_acpi_sleep);
    op.u.enter_acpi_sleep.val_a = 0x3c01;
    op.u.enter_acpi_sleep.sleep_state = 3;
    EXPECT_EQ(call(control, op), Errno::OpNotSupp);
    EXPECT_EQ(devices.sleep_a, 0);
    op.u.enter_acpi_sleep.sleep_state = 6;
    EXPECT_EQ(call(control, op), Errno::Inval);
    op.u.enter_acpi_sleep.sleep_state = 5;
    EXPECT_EQ(call(control, op), Errno::NoDev) << "came back";
    EXPECT_EQ(devices.sleep_a, 0x3c01);
}

TEST_F(PlatformTest, APinnedVcpuOfTheControlDomainHearsWhereItIs)
{
    auto* const answer = host::guest_new<abi::vcpu_get_physid>({.phys_id = 77});
    auto const ask = [&](Domain& domain) {
        HypercallArgs args{{VCPUOP_get_physid, 0, host::guest_address(answer)}};
        return dispatch_hypercall(*domain.vcpu(0), __HYPERVISOR_vcpu_op, args).error();
    };
    Domain& control = domain(1, true);
    EXPECT_EQ(ask(control), Errno::Inval) << "it may move at any time";
    EXPECT_EQ(answer->phys_id, 77u);
    CpuMask const third = CpuMask::of(CpuId{2});
    ASSERT_TRUE(sched_set_affinity(*control.vcpu(0), &third, nullptr));
    EXPECT_EQ(ask(control), Errno::None);
    CpuIdentity const identity = devices.cpu_identity(CpuId{2});
    EXPECT_EQ(xen_vcpu_physid_to_x86_apicid(answer->phys_id), identity.apic_id);
    EXPECT_EQ(xen_vcpu_physid_to_x86_acpiid(answer->phys_id), identity.acpi_id);
    Domain& guest = domain();
    ASSERT_TRUE(sched_set_affinity(*guest.vcpu(0), &third, nullptr));
    EXPECT_EQ(ask(guest), Errno::Inval) << "not a guest's business";
}

} // namespace
} // namespace hv
