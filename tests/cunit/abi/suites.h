/* SPDX-License-Identifier: MIT */
/* The suites of the ABI tests; each function registers one and returns a CUnit error code. */
#ifndef TESSERA_CUNIT_ABI_SUITES_H
#define TESSERA_CUNIT_ABI_SUITES_H

int add_start_of_day_suite(void);
int add_processor_suite(void);
int add_event_channel_suite(void);
int add_grant_table_suite(void);
int add_memory_suite(void);
int add_scheduling_suite(void);
int add_device_suite(void);
int add_toolstack_suite(void);
int add_version_suite(void);
int add_ring_suite(void);

#endif
