// SPDX-License-Identifier: MIT
// Two tables, each in the order of the alphabet.
#include "config/xl_keys.hpp"

#include <algorithm>
#include <iterator>

namespace vm
{
namespace
{

constexpr std::string_view kIgnored[] = {
    "acpi",
    "acpi_firmware",
    "acpi_laptop_slate",
    "acpi_s3",
    "acpi_s4",
    "apic",
    "autoballoon",
    "bios_path_override",
    "claim_mode",
    "device_model_args",
    "device_model_args_hvm",
    "device_model_args_pv",
    "device_model_stubdomain_override",
    "device_model_stubdomain_seclabel",
    "device_model_user",
    "device_model_version",
    "dm_restrict",
    "driver_domain",
    "hdtype",
    "hpet",
    "keymap",
    "localtime",
    "mca_caps",
    "mmio_hole",
    "ms_vm_genid",
    "msr_relaxed",
    "nographic",
    "nomigrate",
    "nx",
    "on_soft_reset",
    "on_xend_start",
    "on_xend_stop",
    "oos",
    "opengl",
    "pae",
    "pci_msitranslate",
    "pci_permissive",
    "pci_power_mgmt",
    "pci_seize",
    "pool",
    "pvshim_cmdline",
    "pvshim_extra",
    "pvshim_path",
    "rdm",
    "rdm_mem_boundary",
    "rtc_timeoffset",
    "sdl",
    "serial",
    "shadow_memory",
    "smbios_firmware",
    "soundhw",
    "spice",
    "spice_clipboard_sharing",
    "spice_image_compression",
    "spice_streaming_video",
    "spiceagent_mouse",
    "spicedisable_ticketing",
    "spicehost",
    "spicepasswd",
    "spiceport",
    "spicetls_port",
    "spiceusbredirection",
    "spicevdagent",
    "stdvga",
    "stubdomain_cmdline",
    "stubdomain_kernel",
    "stubdomain_memory",
    "stubdomain_ramdisk",
    "suppress_spurious_page_faults",
    "timer_mode",
    "tsc_mode",
    "usb",
    "usbdevice",
    "usbversion",
    "vendor_device",
    "vfb",
    "vga",
    "videoram",
    "viridian",
    "vkb_device",
    "vmtrace_buf_kb",
    "vnc",
    "vncconsole",
    "vncdisplay",
    "vnclisten",
    "vncpasswd",
    "vncunused",
    "vpt_align",
    "vuart",
    "xen_platform_pci",
    "xend_suspend_evtchn_compat",
};

constexpr std::string_view kRefused[] = {
    "altp2m",
    "altp2mhvm",
    "argo",
    "bios",
    "boot",
    "bootloader",
    "bootloader_args",
    "channel",
    "cpuid",
    "cpus_soft",
    "device_model_override",
    "device_tree",
    "dtdev",
    "e820_host",
    "firmware",
    "gfx_passthru",
    "gic_version",
    "hap",
    "hvm",
    "init_seclabel",
    "iomem",
    "ioports",
    "irqs",
    "loader",
    "max_grant_version",
    "nestedhvm",
    "p9",
    "passthrough",
    "pci",
    "pvcalls",
    "pvh",
    "pvshim",
    "seclabel",
    "tee",
    "tpm",
    "usbctrl",
    "usbdev",
    "vdispl",
    "viommu",
    "vkb",
    "vnuma",
    "vpmu",
    "vsnd",
    "vtpm",
};

static_assert(std::is_sorted(std::begin(kIgnored), std::end(kIgnored)));
static_assert(std::is_sorted(std::begin(kRefused), std::end(kRefused)));

} // namespace

XlKeyKind xl_key_kind(std::string_view key)
{
    if (std::binary_search(std::begin(kIgnored), std::end(kIgnored), key))
    {
        return XlKeyKind::Ignored;
    }
    return std::binary_search(std::begin(kRefused), std::end(kRefused), key) ? XlKeyKind::Refused : XlKeyKind::Unknown;
}

} // namespace vm
