// SPDX-License-Identifier: MIT
// CUnit's ways to start a run: directly, through the basic interface and through the automated one.
#include "CUnit/Automated.h"
#include "CUnit/Basic.h"
#include "run.hpp"

namespace
{

CU_BasicRunMode basic_mode = CU_BRM_NORMAL;
bool output_chosen = false;

} // namespace

CU_ErrorCode CU_run_all_tests()
{
    return cunit::run_selected([](cunit::Suite const&, cunit::Test const&) { return true; });
}

CU_ErrorCode CU_run_suite(CU_pSuite suite)
{
    if (suite == nullptr)
        return cunit::set_error(CUE_NOSUITE);
    if (suite->fActive == CU_FALSE)
        return cunit::set_error(CUE_SUITE_INACTIVE);
    return cunit::run_selected([suite](cunit::Suite const& owner, cunit::Test const&) { return &owner.base == suite; });
}

CU_ErrorCode CU_run_test(CU_pSuite suite, CU_pTest test)
{
    if (suite == nullptr)
        return cunit::set_error(CUE_NOSUITE);
    if (test == nullptr)
        return cunit::set_error(CUE_NOTEST);
    if (suite->fActive == CU_FALSE)
        return cunit::set_error(CUE_SUITE_INACTIVE);
    if (CU_get_test(suite, test->pName) != test)
        return cunit::set_error(CUE_TEST_NOT_IN_SUITE);
    if (test->fActive == CU_FALSE)
        return cunit::set_error(CUE_TEST_INACTIVE);
    return cunit::run_selected(
        [test](cunit::Suite const&, cunit::Test const& candidate) { return &candidate.base == test; });
}

CU_ErrorCode CU_basic_run_tests()
{
    return CU_run_all_tests();
}

CU_ErrorCode CU_basic_run_suite(CU_pSuite suite)
{
    return CU_run_suite(suite);
}

CU_ErrorCode CU_basic_run_test(CU_pSuite suite, CU_pTest test)
{
    return CU_run_test(suite, test);
}

void CU_basic_set_mode(CU_BasicRunMode mode)
{
    basic_mode = mode;
    cunit::set_brief(mode == CU_BRM_SILENT);
}

CU_BasicRunMode CU_basic_get_mode()
{
    return basic_mode;
}

void CU_set_output_filename(char const* root)
{
    if (root == nullptr || *root == '\0')
    {
        cunit::set_error(CUE_BAD_FILENAME);
        return;
    }
    cunit::set_xml_output(std::string{root} + "-Results.xml");
    output_chosen = true;
}

void CU_automated_run_tests()
{
    if (!output_chosen)
        CU_set_output_filename("CUnitAutomated");
    CU_run_all_tests();
}

void CU_automated_enable_junit_xml(CU_BOOL) {}
