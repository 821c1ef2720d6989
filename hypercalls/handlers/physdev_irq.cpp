// SPDX-License-Identifier: MIT
// physdev_op: mapping interrupts and serving them.
#include <core/irq/pirq.hpp>
#include <hypercalls/handlers/physdev.hpp>

namespace hv::handlers::physdev_op
{
namespace
{

Result<void> find_target(Caller& caller, std::uint16_t id, DomainRef& target)
{
    target = find_domain(caller.domain(), DomainId{id});
    HV_REQUIRE(static_cast<bool>(target), Errno::Srch);
    return {};
}

CallResult done(Result<void> const& result)
{
    HV_TRY_VOID(result);
    return std::int64_t{0};
}

// Bus and function numbers as map_pirq has them: the segment above the bus where the type says so.
Result<MsiRequest> decode_messages(abi::physdev_map_pirq const& args)
{
    HV_REQUIRE(args.devfn >= 0 && args.devfn <= 0xff && args.entry_nr >= 0, Errno::Inval);
    auto const bus = static_cast<std::uint32_t>(args.bus);
    std::uint32_t const segment = args.type == MAP_PIRQ_TYPE_MSI ? 0 : bus >> 16;
    HV_REQUIRE((args.type == MAP_PIRQ_TYPE_MSI ? bus : bus & 0xffff) <= 0xff, Errno::Inval);
    MsiRequest request;
    request.function = {static_cast<std::uint16_t>(segment), static_cast<std::uint8_t>(bus),
                        static_cast<std::uint8_t>(args.devfn)};
    request.table_base = args.table_base;
    if (args.type != MAP_PIRQ_TYPE_MULTI_MSI)
    {
        request.entry = static_cast<std::uint32_t>(args.entry_nr);
        return request;
    }
    HV_REQUIRE(args.entry_nr >= 1 && args.table_base == 0, Errno::Inval);
    request.count = static_cast<std::uint32_t>(args.entry_nr);
    return request;
}

// The caller's port for GSIs that need no mapping: none. What an IO-APIC's register holds now.
Result<std::uint32_t> read_register(abi::physdev_apic const& args)
{
    return device_machine().read_io_apic(MachineAddress{args.apic_physbase}, args.reg);
}

} // namespace

CallResult irq_status_query(Caller& caller, abi::physdev_irq_status_query& args)
{
    args.flags = HV_TRY(interrupt_status(caller.domain(), args.irq));
    return std::int64_t{0};
}

CallResult eoi(Caller& caller, abi::physdev_eoi const& args)
{
    return done(end_of_interrupt(caller.domain(), args.irq));
}

CallResult map_pirq(Caller& caller, abi::physdev_map_pirq& args)
{
    DomainRef target;
    HV_TRY_VOID(find_target(caller, args.domid, target));
    std::uint32_t number = 0;
    switch (args.type)
    {
    case MAP_PIRQ_TYPE_GSI:
        HV_REQUIRE(args.index >= 0, Errno::Inval);
        number = HV_TRY(map_gsi_pirq(*target, Irq{static_cast<std::uint32_t>(args.index)}, args.pirq));
        break;
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        number = HV_TRY(map_msi_pirq(*target, HV_TRY(decode_messages(args)), args.pirq));
        break;
    default: return Errno::Inval;
    }
    args.pirq = static_cast<std::int32_t>(number);
    return std::int64_t{0};
}

CallResult unmap_pirq(Caller& caller, abi::physdev_unmap_pirq const& args)
{
    DomainRef target;
    HV_TRY_VOID(find_target(caller, args.domid, target));
    HV_REQUIRE(args.pirq >= 0, Errno::Inval);
    return done(hv::unmap_pirq(*target, static_cast<std::uint32_t>(args.pirq)));
}

CallResult pirq_eoi_gmfn_v1(Caller& caller, abi::physdev_pirq_eoi_gmfn const& args)
{
    return done(register_eoi_page(caller.domain(), GuestFrame{args.gmfn}, true));
}

CallResult pirq_eoi_gmfn_v2(Caller& caller, abi::physdev_pirq_eoi_gmfn const& args)
{
    return done(register_eoi_page(caller.domain(), GuestFrame{args.gmfn}, false));
}

CallResult setup_gsi(Caller&, abi::physdev_setup_gsi const& args)
{
    HV_REQUIRE(args.gsi >= 0 && args.triggering <= 1 && args.polarity <= 1, Errno::Inval);
    LineMode const mode{args.triggering != 0 ? Trigger::Level : Trigger::Edge,
                        args.polarity != 0 ? Polarity::Low : Polarity::High};
    return done(hv::setup_gsi(Irq{static_cast<std::uint32_t>(args.gsi)}, mode));
}

CallResult get_free_pirq(Caller& caller, abi::physdev_get_free_pirq& args)
{
    HV_REQUIRE(args.type >= MAP_PIRQ_TYPE_MSI && args.type <= MAP_PIRQ_TYPE_MULTI_MSI, Errno::Inval);
    args.pirq = HV_TRY(reserve_pirq(caller.domain()));
    return std::int64_t{0};
}

CallResult apic_read(Caller&, abi::physdev_apic& args)
{
    args.value = HV_TRY(read_register(args));
    return std::int64_t{0};
}

CallResult apic_write(Caller&, abi::physdev_apic const& args)
{
    HV_REQUIRE(HV_TRY(read_register(args)) == args.value, Errno::Perm);
    return std::int64_t{0};
}

CallResult alloc_irq_vector(Caller&, abi::physdev_irq& args)
{
    args.vector = args.irq;
    return std::int64_t{0};
}

CallResult free_irq_vector(Caller&, abi::physdev_irq const&)
{
    return std::int64_t{0};
}

} // namespace hv::handlers::physdev_op
