// SPDX-License-Identifier: MIT
// physdev_op: a vCPU's virtual I/O privilege.
#include <hypercalls/handlers/physdev.hpp>

namespace hv::handlers::physdev_op
{

CallResult set_iopl(Caller& caller, abi::physdev_set_iopl const& args)
{
    HV_REQUIRE(args.iopl <= 3, Errno::Inval);
    caller.vcpu().pv.iopl = static_cast<std::uint8_t>(args.iopl);
    return std::int64_t{0};
}

CallResult set_iobitmap(Caller& caller, abi::physdev_set_iobitmap const& args)
{
    HV_REQUIRE(args.nr_ports <= 65536, Errno::Inval);
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.bitmap.p);
    HV_REQUIRE(args.nr_ports == 0 || is_guest_address(address), Errno::Fault);
    caller.vcpu().pv.io_bitmap = GuestVirtual{address};
    caller.vcpu().pv.io_bitmap_ports = args.nr_ports;
    return std::int64_t{0};
}

} // namespace hv::handlers::physdev_op
