/* SPDX-License-Identifier: MIT */
/* Domctl and sysctl. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "toolstack.def"
#define CXX_VIEW cxx_toolstack
#include "area.inc"

static void arguments_are_padded(void)
{
    CU_ASSERT_EQUAL(sizeof(((struct xen_domctl*)NULL)->u), 128);
    CU_ASSERT_EQUAL(sizeof(((struct xen_sysctl*)NULL)->u), 128);
}

static void handles_have_64_bits_everywhere(void)
{
    struct xenctl_bitmap bitmap;

    CU_ASSERT_EQUAL(sizeof(bitmap.bitmap), 8);
    CU_ASSERT_EQUAL(__alignof__(xen_domctl_t), 8);
    CU_ASSERT_EQUAL(sizeof(uint64_aligned_t), 8);
}

int add_toolstack_suite(void)
{
    CU_pSuite suite = add_area("toolstack");

    if (suite == NULL || CU_ADD_TEST(suite, arguments_are_padded) == NULL ||
        CU_ADD_TEST(suite, handles_have_64_bits_everywhere) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
