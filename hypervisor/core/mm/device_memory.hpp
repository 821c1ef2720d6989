// SPDX-License-Identifier: MIT
// Which machine frames that are not RAM the control domain may map, and how.
#pragma once

#include <lib/result.hpp>
#include <lib/strong.hpp>

namespace hv
{

// Boot and MSI-X set-up. Ranges are [first, end).
void deny_device_frames(Mfn first, Mfn end);                                  // ours alone: LAPIC, IO-APIC, MSI window
Result<void> set_device_frames_read_only(Mfn first, Mfn end, bool read_only); // MSI-X tables
void export_frames(Mfn first, Mfn end); // readable by the control domain as DOMID_XEN: the M2P

[[nodiscard]] bool device_frame_allowed(Mfn frame);
[[nodiscard]] bool device_frame_read_only(Mfn frame);
[[nodiscard]] bool frame_exported(Mfn frame);

} // namespace hv
