/* SPDX-License-Identifier: MIT */
/* Runs all suites of the ABI tests with whichever CUnit the program is linked with. */
#include "suites.h"
#include "verdict.h"

#include <CUnit/CUnit.h>

#include <stdio.h>

typedef int (*AddSuite)(void);

static AddSuite const suites[] = {
    add_start_of_day_suite, add_processor_suite, add_event_channel_suite, add_grant_table_suite, add_memory_suite,
    add_scheduling_suite,   add_device_suite,    add_toolstack_suite,     add_version_suite,     add_ring_suite,
};

int main(void)
{
    unsigned i;

    if (CU_initialize_registry() != CUE_SUCCESS)
    {
        fprintf(stderr, "abi: error: %s\n", CU_get_error_msg());
        return 1;
    }
    for (i = 0; i < sizeof(suites) / sizeof(suites[0]); ++i)
    {
        if (suites[i]() != CUE_SUCCESS)
        {
            fprintf(stderr, "abi: error: suite %u: %s\n", i, CU_get_error_msg());
            CU_cleanup_registry();
            return 1;
        }
    }
    return run_and_judge();
}
