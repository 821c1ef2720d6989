/* SPDX-License-Identifier: MIT */
/* The public Xen headers as a C tool sees them. */
#ifndef TESSERA_CUNIT_ABI_XEN_H
#define TESSERA_CUNIT_ABI_XEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __XEN_TOOLS__ 1
/* The ring macros leave the barriers to their user. */
#define xen_mb() __sync_synchronize()
#define xen_rmb() __sync_synchronize()
#define xen_wmb() __sync_synchronize()

#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>
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

#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/xs_wire.h>

#endif
