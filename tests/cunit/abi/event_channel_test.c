/* SPDX-License-Identifier: MIT */
/* Event channels of both kinds. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "event_channel.def"
#define CXX_VIEW cxx_event_channel
#include "area.inc"

static void fifo_word_has_no_overlap(void)
{
    uint32_t flags = (1u << EVTCHN_FIFO_PENDING) | (1u << EVTCHN_FIFO_MASKED) | (1u << EVTCHN_FIFO_LINKED) |
                     (1u << EVTCHN_FIFO_BUSY);

    CU_ASSERT_EQUAL(flags, 0xf0000000u);
    CU_ASSERT_EQUAL(flags & EVTCHN_FIFO_LINK_MASK, 0);
    CU_ASSERT_EQUAL(EVTCHN_FIFO_NR_CHANNELS, EVTCHN_FIFO_LINK_MASK + 1);
}

static void fifo_control_block_has_a_head_for_each_priority(void)
{
    struct evtchn_fifo_control_block block;

    CU_ASSERT_EQUAL(sizeof(block.head) / sizeof(block.head[0]), EVTCHN_FIFO_MAX_QUEUES);
    CU_ASSERT_EQUAL(EVTCHN_FIFO_PRIORITY_MIN + 1, EVTCHN_FIFO_MAX_QUEUES);
    CU_ASSERT_EQUAL(4096 / sizeof(event_word_t), 1024);
}

int add_event_channel_suite(void)
{
    CU_pSuite suite = add_area("event_channel");

    if (suite == NULL || CU_ADD_TEST(suite, fifo_word_has_no_overlap) == NULL ||
        CU_ADD_TEST(suite, fifo_control_block_has_a_head_for_each_priority) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
