/* SPDX-License-Identifier: MIT */
/* Memory reservations, maps and shared resources. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "memory.def"
#define CXX_VIEW cxx_memory
#include "area.inc"

static void flags_pack_address_width_and_node(void)
{
    CU_ASSERT_EQUAL(XENMEMF_address_bits(32), 32);
    CU_ASSERT_EQUAL(XENMEMF_get_address_bits(XENMEMF_address_bits(32) | XENMEMF_node(3)), 32);
    CU_ASSERT_EQUAL(XENMEMF_get_node(XENMEMF_node(3)), 3);
    /* No node asked for reads back as the highest number. */
    CU_ASSERT_EQUAL((uint8_t)XENMEMF_get_node(0), 0xff);
}

static void handles_are_plain_pointers(void)
{
    struct xen_memory_reservation reservation;
    xen_pfn_t frames[1];

    memset(&reservation, 0xa5, sizeof(reservation));
    set_xen_guest_handle(reservation.extent_start, frames);
    CU_ASSERT_EQUAL(sizeof(reservation.extent_start), 8);
    CU_ASSERT_EQUAL(memcmp(&reservation.extent_start, &(xen_pfn_t*){frames}, 8), 0);
}

int add_memory_suite(void)
{
    CU_pSuite suite = add_area("memory");

    if (suite == NULL || CU_ADD_TEST(suite, flags_pack_address_width_and_node) == NULL ||
        CU_ADD_TEST(suite, handles_are_plain_pointers) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
