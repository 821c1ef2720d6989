/* SPDX-License-Identifier: MIT */
/* Grant tables of both versions. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "grant_table.def"
#define CXX_VIEW cxx_grant_table
#include "area.inc"

static void entries_fill_pages(void)
{
    CU_ASSERT_EQUAL(4096 / sizeof(grant_entry_v1_t), 512);
    CU_ASSERT_EQUAL(4096 / sizeof(grant_entry_v2_t), 256);
    CU_ASSERT_EQUAL(4096 / sizeof(grant_status_t), 2048);
}

/* Activation is one compare-exchange on flags and domain together. */
static void flags_and_domain_form_one_word(void)
{
    union
    {
        grant_entry_v1_t entry;
        uint32_t word;
    } view = {.word = 0};

    CU_ASSERT_EQUAL(offsetof(grant_entry_v1_t, frame), sizeof(uint32_t));
    view.entry.flags = GTF_permit_access | GTF_readonly;
    view.entry.domid = 0x1234;
    CU_ASSERT_EQUAL(view.word, 0x12340005u);
}

static void every_status_has_a_message(void)
{
    static char const* const messages[] = GNTTABOP_error_msgs;
    unsigned i;

    CU_ASSERT_EQUAL_FATAL(sizeof(messages) / sizeof(messages[0]), 1 - GNTST_no_space);
    for (i = 0; i < sizeof(messages) / sizeof(messages[0]); ++i)
        CU_ASSERT(messages[i] != NULL && messages[i][0] != '\0');
}

int add_grant_table_suite(void)
{
    CU_pSuite suite = add_area("grant_table");

    if (suite == NULL || CU_ADD_TEST(suite, entries_fill_pages) == NULL ||
        CU_ADD_TEST(suite, flags_and_domain_form_one_word) == NULL ||
        CU_ADD_TEST(suite, every_status_has_a_message) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
