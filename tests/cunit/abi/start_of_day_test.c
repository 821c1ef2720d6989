/* SPDX-License-Identifier: MIT */
/* Where a guest starts: start_info, shared_info, vcpu_info and ELF notes. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "start_of_day.def"
#define CXX_VIEW cxx_start_of_day
#include "area.inc"

static void fits_its_page(void)
{
    CU_ASSERT(sizeof(struct start_info) + sizeof(dom0_vga_console_info_t) <= 4096);
    CU_ASSERT(sizeof(struct shared_info) <= 4096);
}

static void arrays_have_their_lengths(void)
{
    struct shared_info page;

    CU_ASSERT_EQUAL(sizeof(page.vcpu_info) / sizeof(page.vcpu_info[0]), XEN_LEGACY_MAX_VCPUS);
    CU_ASSERT_EQUAL(sizeof(page.evtchn_pending) * 8, EVTCHN_2L_NR_CHANNELS);
    CU_ASSERT_EQUAL(sizeof(page.evtchn_mask) * 8, EVTCHN_2L_NR_CHANNELS);
    /* One selector bit for each word of pending bits. */
    CU_ASSERT_EQUAL(sizeof(page.vcpu_info[0].evtchn_pending_sel) * 8,
                    sizeof(page.evtchn_pending) / sizeof(xen_ulong_t));
}

int add_start_of_day_suite(void)
{
    CU_pSuite suite = add_area("start_of_day");

    if (suite == NULL || CU_ADD_TEST(suite, fits_its_page) == NULL ||
        CU_ADD_TEST(suite, arrays_have_their_lengths) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
