/* SPDX-License-Identifier: MIT */
/* The part of CUnit's interface that C tests use, answered by GoogleTest: assertions, suites, tests, runs, totals. */
#ifndef TESSERA_CUNIT_CUNIT_H
#define TESSERA_CUNIT_CUNIT_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C"
{
#endif

#define CU_VERSION "2.1-3"

    typedef int CU_BOOL;
#define CU_TRUE 1
#define CU_FALSE 0

    typedef enum CU_ErrorCode
    {
        CUE_SUCCESS = 0,
        CUE_NOMEMORY = 1,
        CUE_NOREGISTRY = 10,
        CUE_REGISTRY_EXISTS = 11,
        CUE_NOSUITE = 20,
        CUE_NO_SUITENAME = 21,
        CUE_SINIT_FAILED = 22,
        CUE_SCLEAN_FAILED = 23,
        CUE_DUP_SUITE = 24,
        CUE_SUITE_INACTIVE = 25,
        CUE_NOTEST = 30,
        CUE_NO_TESTNAME = 31,
        CUE_DUP_TEST = 32,
        CUE_TEST_NOT_IN_SUITE = 33,
        CUE_TEST_INACTIVE = 34,
        CUE_BAD_FILENAME = 42
    } CU_ErrorCode;

    /* What happens when the framework itself meets an error, a failed suite set-up for example. */
    typedef enum CU_ErrorAction
    {
        CUEA_IGNORE, /* go on with the next suite */
        CUEA_FAIL,   /* end the run */
        CUEA_ABORT   /* end the program */
    } CU_ErrorAction;

    typedef int (*CU_InitializeFunc)(void); /* 0 when the suite may run */
    typedef int (*CU_CleanupFunc)(void);    /* 0 when all is cleaned up */
    typedef void (*CU_TestFunc)(void);
    typedef void (*CU_SetUpFunc)(void);
    typedef void (*CU_TearDownFunc)(void);

    /* Owned by the registry; the pointers stay valid until CU_cleanup_registry(). */
    typedef struct CU_Test
    {
        char const* pName;
        CU_BOOL fActive;
        CU_TestFunc pTestFunc;
    } CU_Test;
    typedef CU_Test* CU_pTest;

    typedef struct CU_Suite
    {
        char const* pName;
        CU_BOOL fActive;
        CU_InitializeFunc pInitializeFunc;
        CU_CleanupFunc pCleanupFunc;
        CU_SetUpFunc pSetUpFunc;
        CU_TearDownFunc pTearDownFunc;
        unsigned int uiNumberOfTests;
    } CU_Suite;
    typedef CU_Suite* CU_pSuite;

    typedef struct CU_TestInfo
    {
        char const* pName;
        CU_TestFunc pTestFunc;
    } CU_TestInfo;
    typedef CU_TestInfo* CU_pTestInfo;

    typedef struct CU_SuiteInfo
    {
        char const* pName;
        CU_InitializeFunc pInitFunc;
        CU_CleanupFunc pCleanupFunc;
        CU_SetUpFunc pSetUpFunc;
        CU_TearDownFunc pTearDownFunc;
        CU_TestInfo* pTests; /* ends with CU_TEST_INFO_NULL */
    } CU_SuiteInfo;
    typedef CU_SuiteInfo* CU_pSuiteInfo;

#define CU_TEST_INFO_NULL {NULL, NULL}
#define CU_SUITE_INFO_NULL {NULL, NULL, NULL, NULL, NULL, NULL}

    typedef struct CU_RunSummary
    {
        unsigned int nSuitesRun;
        unsigned int nSuitesFailed;
        unsigned int nSuitesInactive;
        unsigned int nTestsRun;
        unsigned int nTestsFailed;
        unsigned int nTestsInactive;
        unsigned int nAsserts;
        unsigned int nAssertsFailed;
        unsigned int nFailureRecords;
        double ElapsedTime; /* seconds */
    } CU_RunSummary;
    typedef CU_RunSummary* CU_pRunSummary;

    /* The registry. Suites and tests can be added while it exists; a name already in use is accepted and reported by
   CU_get_error(). Null is returned for what cannot be added. */
    CU_ErrorCode CU_initialize_registry(void);
    void CU_cleanup_registry(void);
    CU_BOOL CU_registry_initialized(void);
    CU_pSuite CU_add_suite(char const* name, CU_InitializeFunc initialise, CU_CleanupFunc clean_up);
    CU_pSuite CU_add_suite_with_setup_and_teardown(char const* name, CU_InitializeFunc initialise,
                                                   CU_CleanupFunc clean_up, CU_SetUpFunc set_up,
                                                   CU_TearDownFunc tear_down);
    CU_pTest CU_add_test(CU_pSuite suite, char const* name, CU_TestFunc function);
#define CU_ADD_TEST(suite, test) (CU_add_test(suite, #test, (CU_TestFunc)(test)))
    CU_ErrorCode CU_register_suites(CU_SuiteInfo suites[]);
    CU_ErrorCode CU_register_nsuites(int count, ...);
    CU_ErrorCode CU_set_suite_active(CU_pSuite suite, CU_BOOL active);
    CU_ErrorCode CU_set_test_active(CU_pTest test, CU_BOOL active);
    CU_pSuite CU_get_suite(char const* name);
    CU_pTest CU_get_test(CU_pSuite suite, char const* name);

    CU_ErrorCode CU_get_error(void);
    char const* CU_get_error_msg(void);
    void CU_set_error_action(CU_ErrorAction action);
    CU_ErrorAction CU_get_error_action(void);

    /* Runs. The totals are those of the last one. */
    CU_ErrorCode CU_run_all_tests(void);
    CU_ErrorCode CU_run_suite(CU_pSuite suite);
    CU_ErrorCode CU_run_test(CU_pSuite suite, CU_pTest test);
    void CU_set_fail_on_inactive(CU_BOOL fail);
    CU_BOOL CU_get_fail_on_inactive(void);
    unsigned int CU_get_number_of_suites_run(void);
    unsigned int CU_get_number_of_suites_failed(void);
    unsigned int CU_get_number_of_suites_inactive(void);
    unsigned int CU_get_number_of_tests_run(void);
    unsigned int CU_get_number_of_tests_failed(void);
    unsigned int CU_get_number_of_tests_inactive(void);
    unsigned int CU_get_number_of_asserts(void);
    unsigned int CU_get_number_of_successes(void);
    unsigned int CU_get_number_of_failures(void);
    unsigned int CU_get_number_of_failure_records(void);
    double CU_get_elapsed_time(void);
    CU_pRunSummary CU_get_run_summary(void);
    CU_pSuite CU_get_current_suite(void);
    CU_pTest CU_get_current_test(void);
    CU_BOOL CU_is_test_running(void);

    /* Records one assertion of the running test and returns `passed`. A failed fatal one does not return: it ends the test. */
    CU_BOOL CU_assertImplementation(CU_BOOL passed, unsigned int line, char const* condition, char const* file,
                                    char const* function, CU_BOOL fatal);

#ifdef __cplusplus
}
#endif

#define HV_CU_CHECK(passed, text, fatal) \
    ((void)CU_assertImplementation((passed) ? CU_TRUE : CU_FALSE, __LINE__, text, __FILE__, __func__, fatal))

#define CU_PASS(message) HV_CU_CHECK(1, "CU_PASS(" #message ")", CU_FALSE)
#define CU_FAIL(message) HV_CU_CHECK(0, "CU_FAIL(" #message ")", CU_FALSE)
#define CU_FAIL_FATAL(message) HV_CU_CHECK(0, "CU_FAIL_FATAL(" #message ")", CU_TRUE)

#define CU_ASSERT(value) HV_CU_CHECK((value), #value, CU_FALSE)
#define CU_ASSERT_FATAL(value) HV_CU_CHECK((value), #value, CU_TRUE)
#define CU_TEST(value) HV_CU_CHECK((value), #value, CU_FALSE)
#define CU_TEST_FATAL(value) HV_CU_CHECK((value), #value, CU_TRUE)
#define CU_ASSERT_TRUE(value) HV_CU_CHECK((value), #value " is true", CU_FALSE)
#define CU_ASSERT_TRUE_FATAL(value) HV_CU_CHECK((value), #value " is true", CU_TRUE)
#define CU_ASSERT_FALSE(value) HV_CU_CHECK(!(value), #value " is false", CU_FALSE)
#define CU_ASSERT_FALSE_FATAL(value) HV_CU_CHECK(!(value), #value " is false", CU_TRUE)

#define CU_ASSERT_EQUAL(actual, expected) HV_CU_CHECK((actual) == (expected), #actual " == " #expected, CU_FALSE)
#define CU_ASSERT_EQUAL_FATAL(actual, expected) HV_CU_CHECK((actual) == (expected), #actual " == " #expected, CU_TRUE)
#define CU_ASSERT_NOT_EQUAL(actual, expected) HV_CU_CHECK((actual) != (expected), #actual " != " #expected, CU_FALSE)
#define CU_ASSERT_NOT_EQUAL_FATAL(actual, expected) \
    HV_CU_CHECK((actual) != (expected), #actual " != " #expected, CU_TRUE)

#define CU_ASSERT_PTR_EQUAL(actual, expected) CU_ASSERT_EQUAL((void const*)(actual), (void const*)(expected))
#define CU_ASSERT_PTR_EQUAL_FATAL(actual, expected) \
    CU_ASSERT_EQUAL_FATAL((void const*)(actual), (void const*)(expected))
#define CU_ASSERT_PTR_NOT_EQUAL(actual, expected) CU_ASSERT_NOT_EQUAL((void const*)(actual), (void const*)(expected))
#define CU_ASSERT_PTR_NOT_EQUAL_FATAL(actual, expected) \
    CU_ASSERT_NOT_EQUAL_FATAL((void const*)(actual), (void const*)(expected))
#define CU_ASSERT_PTR_NULL(value) HV_CU_CHECK((void const*)(value) == NULL, #value " is null", CU_FALSE)
#define CU_ASSERT_PTR_NULL_FATAL(value) HV_CU_CHECK((void const*)(value) == NULL, #value " is null", CU_TRUE)
#define CU_ASSERT_PTR_NOT_NULL(value) HV_CU_CHECK((void const*)(value) != NULL, #value " is not null", CU_FALSE)
#define CU_ASSERT_PTR_NOT_NULL_FATAL(value) HV_CU_CHECK((void const*)(value) != NULL, #value " is not null", CU_TRUE)

#define HV_CU_STRINGS(actual, expected, sign, fatal) \
    HV_CU_CHECK(strcmp((char const*)(actual), (char const*)(expected)) sign 0, #actual " " #sign " " #expected, fatal)
#define CU_ASSERT_STRING_EQUAL(actual, expected) HV_CU_STRINGS(actual, expected, ==, CU_FALSE)
#define CU_ASSERT_STRING_EQUAL_FATAL(actual, expected) HV_CU_STRINGS(actual, expected, ==, CU_TRUE)
#define CU_ASSERT_STRING_NOT_EQUAL(actual, expected) HV_CU_STRINGS(actual, expected, !=, CU_FALSE)
#define CU_ASSERT_STRING_NOT_EQUAL_FATAL(actual, expected) HV_CU_STRINGS(actual, expected, !=, CU_TRUE)

#define HV_CU_PREFIXES(actual, expected, count, sign, fatal) \
    HV_CU_CHECK(strncmp((char const*)(actual), (char const*)(expected), (size_t)(count)) sign 0, \
                #actual " " #sign " " #expected " in " #count " characters", fatal)
#define CU_ASSERT_NSTRING_EQUAL(actual, expected, count) HV_CU_PREFIXES(actual, expected, count, ==, CU_FALSE)
#define CU_ASSERT_NSTRING_EQUAL_FATAL(actual, expected, count) HV_CU_PREFIXES(actual, expected, count, ==, CU_TRUE)
#define CU_ASSERT_NSTRING_NOT_EQUAL(actual, expected, count) HV_CU_PREFIXES(actual, expected, count, !=, CU_FALSE)
#define CU_ASSERT_NSTRING_NOT_EQUAL_FATAL(actual, expected, count) HV_CU_PREFIXES(actual, expected, count, !=, CU_TRUE)

#define HV_CU_NEAR(actual, expected, within, sign, fatal) \
    HV_CU_CHECK(fabs((double)(actual) - (double)(expected)) sign fabs((double)(within)), \
                "|" #actual " - " #expected "| " #sign " " #within, fatal)
#define CU_ASSERT_DOUBLE_EQUAL(actual, expected, within) HV_CU_NEAR(actual, expected, within, <=, CU_FALSE)
#define CU_ASSERT_DOUBLE_EQUAL_FATAL(actual, expected, within) HV_CU_NEAR(actual, expected, within, <=, CU_TRUE)
#define CU_ASSERT_DOUBLE_NOT_EQUAL(actual, expected, within) HV_CU_NEAR(actual, expected, within, >, CU_FALSE)
#define CU_ASSERT_DOUBLE_NOT_EQUAL_FATAL(actual, expected, within) HV_CU_NEAR(actual, expected, within, >, CU_TRUE)

#endif
