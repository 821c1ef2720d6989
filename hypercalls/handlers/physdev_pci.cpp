// SPDX-License-Identifier: MIT
// physdev_op: what the control domain tells about PCI functions.
#include <core/irq/pci_devices.hpp>
#include <core/irq/pirq.hpp>
#include <hypercalls/handlers/physdev.hpp>

namespace hv::handlers::physdev_op
{
namespace
{

CallResult done(Result<void> const& result)
{
    HV_TRY_VOID(result);
    return std::int64_t{0};
}

PciFunction function_of(abi::physdev_pci_device const& args)
{
    return {args.seg, args.bus, args.devfn};
}

CallResult restore(PciFunction function)
{
    HV_REQUIRE(has_messages(function), Errno::NoDev);
    return done(restore_messages(function));
}

} // namespace

CallResult manage_pci_add(Caller&, abi::physdev_manage_pci const& args)
{
    return done(announce_pci_function({0, args.bus, args.devfn}));
}

CallResult manage_pci_remove(Caller&, abi::physdev_manage_pci const& args)
{
    return done(remove_pci_function({0, args.bus, args.devfn}));
}

CallResult manage_pci_add_ext(Caller&, abi::physdev_manage_pci_ext const& args)
{
    return done(announce_pci_function({0, args.bus, args.devfn}));
}

CallResult restore_msi(Caller&, abi::physdev_restore_msi const& args)
{
    return restore({0, args.bus, args.devfn});
}

CallResult pci_mmcfg_reserved(Caller&, abi::physdev_pci_mmcfg_reserved const& args)
{
    if ((args.flags & XEN_PCI_MMCFG_RESERVED) == 0)
        return std::int64_t{0}; // the kernel will not use it
    HV_REQUIRE(device_machine().is_config_window(args.address, args.segment, args.start_bus, args.end_bus),
               Errno::NoDev);
    return std::int64_t{0};
}

CallResult pci_device_add(Caller&, abi::physdev_pci_device_add const& args)
{
    return done(announce_pci_function({args.seg, args.bus, args.devfn}));
}

CallResult pci_device_remove(Caller&, abi::physdev_pci_device const& args)
{
    return done(remove_pci_function(function_of(args)));
}

CallResult restore_msi_ext(Caller&, abi::physdev_pci_device const& args)
{
    return restore(function_of(args));
}

CallResult dbgp_op(Caller&, abi::physdev_dbgp_op const& args)
{
    HV_REQUIRE(args.op == PHYSDEVOP_DBGP_RESET_PREPARE || args.op == PHYSDEVOP_DBGP_RESET_DONE, Errno::Inval);
    return std::int64_t{0};
}

CallResult prepare_msix(Caller&, abi::physdev_pci_device const& args)
{
    return done(announce_pci_function(function_of(args)));
}

CallResult release_msix(Caller&, abi::physdev_pci_device const& args)
{
    HV_REQUIRE(!has_messages(function_of(args)), Errno::Busy);
    return done(announce_pci_function(function_of(args)));
}

} // namespace hv::handlers::physdev_op
