/* SPDX-License-Identifier: MIT */
/* The sizes and offsets of every fact as the hypervisor's namespace abi has them, in the order of the rows. */
#ifndef TESSERA_CUNIT_ABI_CXX_VIEW_H
#define TESSERA_CUNIT_ABI_CXX_VIEW_H

#ifdef __cplusplus
extern "C"
{
#endif

    extern unsigned long const cxx_start_of_day[];
    extern unsigned long const cxx_processor[];
    extern unsigned long const cxx_event_channel[];
    extern unsigned long const cxx_grant_table[];
    extern unsigned long const cxx_memory[];
    extern unsigned long const cxx_scheduling[];
    extern unsigned long const cxx_device[];
    extern unsigned long const cxx_toolstack[];
    extern unsigned long const cxx_version[];

#ifdef __cplusplus
}
#endif

#endif
