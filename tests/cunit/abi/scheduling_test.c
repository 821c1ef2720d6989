/* SPDX-License-Identifier: MIT */
/* Scheduling, shutdown and virtual CPUs. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "scheduling.def"
#define CXX_VIEW cxx_scheduling
#include "area.inc"

static void runstate_has_a_time_for_each_state(void)
{
    struct vcpu_runstate_info info;

    CU_ASSERT_EQUAL(sizeof(info.time) / sizeof(info.time[0]), RUNSTATE_offline + 1);
    /* The mark of an update in progress is the highest bit of the entry time. */
    CU_ASSERT_EQUAL(XEN_RUNSTATE_UPDATE, UINT64_C(1) << 63);
}

int add_scheduling_suite(void)
{
    CU_pSuite suite = add_area("scheduling");

    if (suite == NULL || CU_ADD_TEST(suite, runstate_has_a_time_for_each_state) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
