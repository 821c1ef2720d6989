/* SPDX-License-Identifier: MIT */
/* The rings that guests share with backends, the store and the console. */
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "ring.def"
#include "area.inc"

#define PAGE 4096

static void rings_fill_their_page(void)
{
    CU_ASSERT_EQUAL(__CONST_RING_SIZE(blkif, PAGE), 32);
    CU_ASSERT_EQUAL(__CONST_RING_SIZE(netif_tx, PAGE), 256);
    CU_ASSERT_EQUAL(__CONST_RING_SIZE(netif_rx, PAGE), 256);
    CU_ASSERT(sizeof(struct xenstore_domain_interface) <= PAGE);
    CU_ASSERT(sizeof(struct xencons_interface) <= PAGE);
}

static void console_indices_wrap(void)
{
    struct xencons_interface page;

    CU_ASSERT_EQUAL(MASK_XENCONS_IDX(1024, page.in), 0);
    CU_ASSERT_EQUAL(MASK_XENCONS_IDX(UINT32_MAX, page.in), 1023);
    CU_ASSERT_EQUAL(MASK_XENCONS_IDX(2048, page.out), 0);
    CU_ASSERT_EQUAL(MASK_XENSTORE_IDX(1025), 1);
}

/* The other end is told only when it asked to be: at its event index. */
static void notification_follows_the_event_index(void)
{
    static union
    {
        blkif_sring_t shared;
        char bytes[PAGE];
    } page;
    blkif_front_ring_t front;
    blkif_back_ring_t back;
    int notify;
    int more;

    SHARED_RING_INIT(&page.shared);
    FRONT_RING_INIT(&front, &page.shared, PAGE);
    BACK_RING_INIT(&back, &page.shared, PAGE);
    RING_GET_REQUEST(&front, front.req_prod_pvt)->id = 42;
    ++front.req_prod_pvt;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front, notify);
    CU_ASSERT(notify);
    CU_ASSERT(RING_HAS_UNCONSUMED_REQUESTS(&back));
    CU_ASSERT_EQUAL(RING_GET_REQUEST(&back, back.req_cons)->id, 42);
    ++front.req_prod_pvt;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front, notify);
    CU_ASSERT(!notify);
    back.req_cons += 2;
    RING_FINAL_CHECK_FOR_REQUESTS(&back, more);
    CU_ASSERT(!more);
    CU_ASSERT_EQUAL(page.shared.req_event, 3);
}

int add_ring_suite(void)
{
    CU_pSuite suite = add_area("ring");

    if (suite == NULL || CU_ADD_TEST(suite, rings_fill_their_page) == NULL ||
        CU_ADD_TEST(suite, console_indices_wrap) == NULL ||
        CU_ADD_TEST(suite, notification_follows_the_event_index) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
