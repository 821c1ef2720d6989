/* SPDX-License-Identifier: MIT */
/* What the hypervisor says of itself, and hypercall numbers. */
#include "cxx_view.h"
#include "suites.h"
#include "xen.h"

#include <CUnit/CUnit.h>

#define AREA "version.def"
#define CXX_VIEW cxx_version
#include "area.inc"

int add_version_suite(void)
{
    CU_pSuite suite = add_area("version");

    if (suite == NULL)
        return CU_get_error();
    return CUE_SUCCESS;
}
