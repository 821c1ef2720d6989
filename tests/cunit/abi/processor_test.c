/* SPDX-License-Identifier: MIT */
/* Registers, traps, segments and page-table requests. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "processor.def"
#define CXX_VIEW cxx_processor
#include "area.inc"

static void context_has_room_for_its_tables(void)
{
    struct vcpu_guest_context context;

    CU_ASSERT_EQUAL(sizeof(context.trap_ctxt) / sizeof(context.trap_ctxt[0]), 256);
    /* All 14 pages of a guest's descriptors fit. */
    CU_ASSERT(sizeof(context.gdt_frames) / sizeof(context.gdt_frames[0]) >= FIRST_RESERVED_GDT_PAGE);
    CU_ASSERT_EQUAL(sizeof(context.fpu_ctxt), 512);
}

static void flat_selectors_are_ring_3_of_the_reserved_pages(void)
{
    static unsigned const selectors[] = {FLAT_RING3_CS32, FLAT_RING3_SS32, FLAT_RING3_CS64};
    unsigned i;

    for (i = 0; i < sizeof(selectors) / sizeof(selectors[0]); ++i)
    {
        CU_ASSERT_EQUAL(selectors[i] & 3, 3);
        CU_ASSERT((selectors[i] >> 3) >= FIRST_RESERVED_GDT_ENTRY);
    }
    /* What SYSRET loads for 64-bit code lies 16 bytes above its base. */
    CU_ASSERT_EQUAL((FLAT_RING3_CS32 & ~3) + 16, FLAT_RING3_CS64 & ~3);
}

static void hypervisor_hole_is_slots_256_to_271(void)
{
    CU_ASSERT_EQUAL((HYPERVISOR_VIRT_START >> 39) & 511, 256);
    CU_ASSERT_EQUAL(((HYPERVISOR_VIRT_END - 1) >> 39) & 511, 271);
}

static void trap_flags_hold_level_and_mask(void)
{
    struct trap_info trap = {0};

    TI_SET_DPL(&trap, 3);
    CU_ASSERT_EQUAL(TI_GET_DPL(&trap), 3);
    CU_ASSERT_EQUAL(TI_GET_IF(&trap), 0);
    TI_SET_IF(&trap, 1);
    CU_ASSERT_EQUAL(TI_GET_IF(&trap), 4);
    CU_ASSERT_EQUAL(trap.flags, 7);
}

int add_processor_suite(void)
{
    CU_pSuite suite = add_area("processor");

    if (suite == NULL || CU_ADD_TEST(suite, context_has_room_for_its_tables) == NULL ||
        CU_ADD_TEST(suite, flat_selectors_are_ring_3_of_the_reserved_pages) == NULL ||
        CU_ADD_TEST(suite, hypervisor_hole_is_slots_256_to_271) == NULL ||
        CU_ADD_TEST(suite, trap_flags_hold_level_and_mask) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
