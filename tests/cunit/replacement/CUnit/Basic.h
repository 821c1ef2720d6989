/* SPDX-License-Identifier: MIT */
/* CUnit's basic interface: runs tests and prints what happens, here in GoogleTest's words. */
#ifndef TESSERA_CUNIT_BASIC_H
#define TESSERA_CUNIT_BASIC_H

#include "CUnit.h"

#ifdef __cplusplus
extern "C"
{
#endif

    typedef enum CU_BasicRunMode
    {
        CU_BRM_NORMAL = 0, /* failures and the summary */
        CU_BRM_SILENT,     /* nothing but failures */
        CU_BRM_VERBOSE     /* every test */
    } CU_BasicRunMode;

    CU_ErrorCode CU_basic_run_tests(void);
    CU_ErrorCode CU_basic_run_suite(CU_pSuite suite);
    CU_ErrorCode CU_basic_run_test(CU_pSuite suite, CU_pTest test);
    void CU_basic_set_mode(CU_BasicRunMode mode);
    CU_BasicRunMode CU_basic_get_mode(void);

#ifdef __cplusplus
}
#endif

#endif
