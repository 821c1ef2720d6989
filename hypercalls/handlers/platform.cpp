// SPDX-License-Identifier: MIT
// platform_op: the clock, firmware, processors and power of the machine.
#include <hypercalls/handlers/platform.hpp>

#include <core/irq/device_machine.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/cpu_bitmap.hpp>

namespace hv::handlers
{

CallResult platform_op_call(Caller& caller, std::uint64_t address)
{
    struct Header
    {
        std::uint32_t command, version;
    };
    Header const header = HV_TRY(GuestIn<Header>(address).read());
    HV_REQUIRE(header.version == XENPF_INTERFACE_VERSION, Errno::Access);
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    return groups::platform_op(header.command, address, 0, caller);
}

namespace platform_op
{
namespace
{

CallResult set_time(std::uint64_t seconds, std::uint32_t nanoseconds, std::uint64_t system_time)
{
    constexpr std::uint64_t kLatest = 1ull << 34; // the year 2514; in nanoseconds it still fits into 64 bits
    HV_REQUIRE(seconds < kLatest && nanoseconds < 1'000'000'000, Errno::Inval);
    // A guest's own reading of the time may run a little ahead of ours.
    constexpr std::uint64_t kTolerance = 1'000'000'000;
    HV_REQUIRE(system_time <= port::now().raw() + kTolerance, Errno::Inval);
    wallclock_set(seconds, nanoseconds, Nanoseconds{system_time});
    return std::int64_t{0};
}

} // namespace

CallResult set_time32(Caller&, abi::xen_platform_op const& op)
{
    return set_time(op.u.settime32.secs, op.u.settime32.nsecs, op.u.settime32.system_time);
}

CallResult set_time64(Caller&, abi::xen_platform_op const& op)
{
    HV_REQUIRE(op.u.settime64.mbz == 0, Errno::Inval);
    return set_time(op.u.settime64.secs, op.u.settime64.nsecs, op.u.settime64.system_time);
}

// Disks and displays are found by the control domain's drivers; we make no BIOS calls, so those lists are empty. An
// error for the EFI type means a BIOS machine to the kernel.
CallResult firmware_info(Caller&, abi::xen_platform_op& op)
{
    abi::xenpf_firmware_info& info = op.u.firmware_info;
    switch (info.type)
    {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
    case XEN_FW_EFI_INFO: return Errno::Srch;
    case XEN_FW_KBD_SHIFT_FLAGS:
        HV_REQUIRE(info.index == 0, Errno::Srch);
        info.u.kbd_shift_flags = device_machine().keyboard_flags();
        return std::int64_t{0};
    default: return Errno::Inval;
    }
}

CallResult enter_sleep(Caller&, abi::xen_platform_op const& op)
{
    abi::xenpf_enter_acpi_sleep const& args = op.u.enter_acpi_sleep;
    constexpr std::uint32_t kSwitchedOff = 5;
    HV_REQUIRE(args.sleep_state >= 1 && args.sleep_state <= kSwitchedOff, Errno::Inval);
    HV_REQUIRE(args.sleep_state == kSwitchedOff && args.flags == 0, Errno::OpNotSupp);
    device_machine().enter_sleep(args.val_a, args.val_b);
    return Errno::NoDev; // the machine has no such registers
}

CallResult idle_time(Caller&, abi::xen_platform_op& op)
{
    abi::xenpf_getidletime& args = op.u.getidletime;
    abi::xenctl_bitmap asked{};
    asked.bitmap.p = args.cpumap_bitmap.p;
    asked.nr_bits = args.cpumap_nr_cpus;
    std::uint64_t const present = HV_TRY(read_cpu_bitmap(asked)).bits() & online_cpus().bits();
    GuestOut<std::uint64_t> const times(reinterpret_cast<std::uint64_t>(args.idletime.p));
    for (std::uint32_t cpu = 0; cpu < port::online_cpus(); ++cpu)
        if ((present >> cpu & 1) != 0)
            HV_TRY_VOID(times.write(sched_cpu_counts(CpuId{cpu}).idle_nanoseconds, cpu));
    HV_TRY_VOID(write_cpu_bitmap(asked, CpuMask{present}));
    args.now = port::now().raw();
    return std::int64_t{0};
}

CallResult cpu_info(Caller&, abi::xen_platform_op& op)
{
    abi::xenpf_pcpuinfo& info = op.u.pcpu_info;
    info.max_present = port::online_cpus() - 1;
    if (info.xen_cpuid > info.max_present)
    {
        info.flags = XEN_PCPU_FLAGS_INVALID;
        return std::int64_t{0};
    }
    CpuIdentity const identity = device_machine().cpu_identity(CpuId{info.xen_cpuid});
    info.flags = XEN_PCPU_FLAGS_ONLINE;
    info.apic_id = identity.apic_id;
    info.acpi_id = identity.acpi_id;
    return std::int64_t{0};
}

CallResult cpu_version(Caller&, abi::xen_platform_op& op)
{
    abi::xenpf_pcpu_version& info = op.u.pcpu_version;
    info.max_present = port::online_cpus() - 1;
    HV_REQUIRE(info.xen_cpuid <= info.max_present, Errno::Inval);
    CpuIdentity const identity = device_machine().cpu_identity(CpuId{info.xen_cpuid});
    __builtin_memcpy(info.vendor_id, identity.vendor, sizeof(info.vendor_id));
    info.family = identity.family;
    info.model = identity.model;
    info.stepping = identity.stepping;
    return std::int64_t{0};
}

CallResult cpu_online(Caller&, abi::xen_platform_op const& op)
{
    HV_REQUIRE(op.u.cpu_ol.cpuid < port::online_cpus(), Errno::Inval);
    return std::int64_t{0};
}

} // namespace platform_op
} // namespace hv::handlers
