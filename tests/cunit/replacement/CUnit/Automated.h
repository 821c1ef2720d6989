/* SPDX-License-Identifier: MIT */
/* CUnit's automated interface: runs all tests and leaves their results in an XML file, here in JUnit's form. */
#ifndef TESSERA_CUNIT_AUTOMATED_H
#define TESSERA_CUNIT_AUTOMATED_H

#include "CUnit.h"

#ifdef __cplusplus
extern "C"
{
#endif

    /* The results go to ROOT-Results.xml; ROOT is CUnitAutomated unless set before the program's first run. */
    void CU_set_output_filename(char const* root);
    void CU_automated_run_tests(void);
    void CU_automated_enable_junit_xml(CU_BOOL enable); /* accepted; JUnit's is the only form */

#ifdef __cplusplus
}
#endif

#endif
