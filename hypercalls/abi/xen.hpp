// SPDX-License-Identifier: MIT
// The public Xen headers (package libxen-dev), seen as namespace hv::abi. Facts of layout are asserted in abi/layout.cpp.
// Not a top-level namespace: the C++ library owns ::abi on hosted builds (cxxabi.h, which GoogleTest includes).
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif

namespace hv::abi
{
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>

// XENMEM_memory_map and friends carry entries in the format of the BIOS call INT 15h AX=E820h (ACPI specification 15.1).
struct [[gnu::packed]] e820entry
{
    uint64_t addr;
    uint64_t size;
    uint32_t type;
};
static_assert(sizeof(e820entry) == 20);
} // namespace hv::abi
