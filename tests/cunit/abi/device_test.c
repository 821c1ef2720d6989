/* SPDX-License-Identifier: MIT */
/* Physical interrupts, PCI devices and platform operations. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "device.def"
#define CXX_VIEW cxx_device
#include "area.inc"

static void map_pirq_carries_the_segment_above_the_bus(void)
{
    struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .bus = (0x12 << 16) | 0x34};

    CU_ASSERT_EQUAL(sizeof(map.bus), 4);
    CU_ASSERT_EQUAL(map.bus >> 16, 0x12);
    CU_ASSERT_EQUAL(map.bus & 0xff, 0x34);
}

static void platform_argument_is_padded(void)
{
    struct xen_platform_op op;

    CU_ASSERT_EQUAL(sizeof(op.u), 128);
    CU_ASSERT_EQUAL(offsetof(struct xen_platform_op, u.settime64.system_time) - offsetof(struct xen_platform_op, u),
                    16);
    CU_ASSERT_EQUAL(
        offsetof(struct xen_platform_op, u.enter_acpi_sleep.sleep_state) - offsetof(struct xen_platform_op, u), 4);
}

int add_device_suite(void)
{
    CU_pSuite suite = add_area("device");

    if (suite == NULL || CU_ADD_TEST(suite, map_pirq_carries_the_segment_above_the_bus) == NULL ||
        CU_ADD_TEST(suite, platform_argument_is_padded) == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
