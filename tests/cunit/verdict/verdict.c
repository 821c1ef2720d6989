/* SPDX-License-Identifier: MIT */
/* Turns CUnit's totals into an exit code. CU_get_error() alone does not do: it is 0 after failed assertions. */
#include "verdict.h"

#include <CUnit/Basic.h>

#include <stdio.h>

int run_and_judge(void)
{
    CU_ErrorCode error = CU_basic_run_tests();
    unsigned int ran = CU_get_number_of_tests_run();
    unsigned int failed = CU_get_number_of_tests_failed();
    unsigned int suites_failed = CU_get_number_of_suites_failed();
    unsigned int records = CU_get_number_of_failure_records();
    int good = error == CUE_SUCCESS && ran > 0 && failed == 0 && suites_failed == 0 && records == 0;

    if (!good)
        fprintf(stderr, "verdict: %u tests ran, %u failed, %u suites failed, %u failure records: %s\n", ran, failed,
                suites_failed, records, CU_get_error_msg());
    CU_cleanup_registry();
    return good ? 0 : 1;
}
