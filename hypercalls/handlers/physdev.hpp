// SPDX-License-Identifier: MIT
// physdev_op.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers::physdev_op
{

// ---- rights of the calling vCPU
CallResult set_iopl(Caller& caller, abi::physdev_set_iopl const& args);
CallResult set_iobitmap(Caller& caller, abi::physdev_set_iobitmap const& args);

// ---- interrupts
CallResult irq_status_query(Caller& caller, abi::physdev_irq_status_query& args);
CallResult eoi(Caller& caller, abi::physdev_eoi const& args);
CallResult map_pirq(Caller& caller, abi::physdev_map_pirq& args);
CallResult unmap_pirq(Caller& caller, abi::physdev_unmap_pirq const& args);
CallResult pirq_eoi_gmfn_v1(Caller& caller, abi::physdev_pirq_eoi_gmfn const& args);
CallResult pirq_eoi_gmfn_v2(Caller& caller, abi::physdev_pirq_eoi_gmfn const& args);
CallResult setup_gsi(Caller& caller, abi::physdev_setup_gsi const& args);
CallResult get_free_pirq(Caller& caller, abi::physdev_get_free_pirq& args);
CallResult apic_read(Caller& caller, abi::physdev_apic& args);
CallResult apic_write(Caller& caller, abi::physdev_apic const& args);
CallResult alloc_irq_vector(Caller& caller, abi::physdev_irq& args);
CallResult free_irq_vector(Caller& caller, abi::physdev_irq const& args);

// ---- PCI
CallResult manage_pci_add(Caller& caller, abi::physdev_manage_pci const& args);
CallResult manage_pci_remove(Caller& caller, abi::physdev_manage_pci const& args);
CallResult manage_pci_add_ext(Caller& caller, abi::physdev_manage_pci_ext const& args);
CallResult restore_msi(Caller& caller, abi::physdev_restore_msi const& args);
CallResult pci_mmcfg_reserved(Caller& caller, abi::physdev_pci_mmcfg_reserved const& args);
CallResult pci_device_add(Caller& caller, abi::physdev_pci_device_add const& args);
CallResult pci_device_remove(Caller& caller, abi::physdev_pci_device const& args);
CallResult restore_msi_ext(Caller& caller, abi::physdev_pci_device const& args);
CallResult dbgp_op(Caller& caller, abi::physdev_dbgp_op const& args);
CallResult prepare_msix(Caller& caller, abi::physdev_pci_device const& args);
CallResult release_msix(Caller& caller, abi::physdev_pci_device const& args);

} // namespace hv::handlers::physdev_op
