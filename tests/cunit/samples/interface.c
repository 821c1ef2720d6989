/* SPDX-License-Identifier: MIT */
/* Asks the CUnit library that it is linked with for all that the ABI tests rely on, without trusting its assertions:
   both libraries have to give the same errors, run the same tests and count the same totals. */
#include <CUnit/Basic.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the suites and tests below did, in order, a letter each. */
static char trace[64];

static int checked;
static int wrong;

static void check(int good, char const* what)
{
    ++checked;
    wrong += !good;
    printf("%s %s\n", good ? "ok  " : "FAIL", what);
}

static void note(char letter)
{
    size_t length = strlen(trace);

    if (length + 1 < sizeof(trace))
    {
        trace[length] = letter;
        trace[length + 1] = '\0';
    }
}

static int initialise(void)
{
    note('I');
    return 0;
}

static int initialise_badly(void)
{
    note('B');
    return 1;
}

static int clean_up(void)
{
    note('C');
    return 0;
}

static void set_up(void)
{
    note('(');
}

static void tear_down(void)
{
    note(')');
}

static void passes(void)
{
    note('p');
    CU_ASSERT_TRUE(1);
    CU_ASSERT_NSTRING_EQUAL("abc", "abd", 2);
}

static void fails_twice(void)
{
    note('f');
    CU_ASSERT_EQUAL(1, 2);
    CU_ASSERT(1);
    CU_FAIL("on purpose");
}

static void stops(void)
{
    note('s');
    CU_ASSERT_PTR_NOT_NULL_FATAL(NULL);
    note('!');
}

static void check_errors(void)
{
    CU_pSuite suite;

    check(CU_add_suite("early", NULL, NULL) == NULL && CU_get_error() == CUE_NOREGISTRY, "no suite without a registry");
    check(CU_basic_run_tests() == CUE_NOREGISTRY, "no run without a registry");
    check(CU_initialize_registry() == CUE_SUCCESS && CU_registry_initialized(), "a registry");
    check(CU_add_suite(NULL, NULL, NULL) == NULL && CU_get_error() == CUE_NO_SUITENAME, "no suite without a name");
    suite = CU_add_suite("errors", NULL, NULL);
    check(suite != NULL && CU_get_error() == CUE_SUCCESS, "a suite");
    check(CU_add_test(NULL, "t", passes) == NULL && CU_get_error() == CUE_NOSUITE, "no test without a suite");
    check(CU_add_test(suite, NULL, passes) == NULL && CU_get_error() == CUE_NO_TESTNAME, "no test without a name");
    check(CU_add_test(suite, "t", NULL) == NULL && CU_get_error() == CUE_NOTEST, "no test without a function");
    check(CU_add_test(suite, "t", passes) != NULL && CU_get_error() == CUE_SUCCESS, "a test");
    CU_add_test(suite, "t", passes);
    check(CU_get_error() == CUE_DUP_TEST, "a name that the suite has already is reported");
    CU_add_suite("errors", NULL, NULL);
    check(CU_get_error() == CUE_DUP_SUITE, "a name that the registry has already is reported");
    check(strlen(CU_get_error_msg()) > 0, "an error has words");
    CU_cleanup_registry();
    check(!CU_registry_initialized(), "no registry after the clean-up");
}

static void check_order_and_totals(void)
{
    CU_pSuite suite;

    CU_initialize_registry();
    trace[0] = '\0';
    suite = CU_add_suite_with_setup_and_teardown("order", initialise, clean_up, set_up, tear_down);
    CU_add_test(suite, "passes", passes);
    CU_add_test(suite, "fails", fails_twice);
    CU_add_test(suite, "stops", stops);
    suite = CU_add_suite("broken", initialise_badly, clean_up);
    CU_add_test(suite, "never runs", passes);
    CU_basic_run_tests();
    check(strcmp(trace, "I(p)(f)(s)CB") == 0, "set-up, tests and clean-up come in order, none in a broken suite");
    check(CU_get_number_of_suites_failed() == 1, "one suite failed");
    check(CU_get_number_of_tests_run() == 3, "three tests ran");
    check(CU_get_number_of_tests_failed() == 2, "two tests failed");
    check(CU_get_number_of_asserts() == 6, "six assertions were made");
    check(CU_get_number_of_failures() == 3, "three assertions failed");
    check(CU_get_number_of_successes() == 3, "three assertions held");
    check(CU_get_error() == CUE_SINIT_FAILED, "the error is the broken suite's");
    CU_cleanup_registry();
}

static void check_lists_and_selection(void)
{
    CU_TestInfo first_tests[] = {{"one", passes}, {"two", fails_twice}, CU_TEST_INFO_NULL};
    CU_TestInfo second_tests[] = {{"one", passes}, CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"first", initialise, clean_up, NULL, NULL, first_tests},
                             {"second: with *odd* -characters?", NULL, NULL, NULL, NULL, second_tests},
                             CU_SUITE_INFO_NULL};
    CU_pSuite first;

    CU_initialize_registry();
    check(CU_register_suites(suites) == CUE_SUCCESS, "suites in a list are registered");
    first = CU_get_suite("first");
    check(first != NULL && CU_get_suite("third") == NULL, "suites are found by name");
    trace[0] = '\0';
    CU_basic_run_test(first, CU_get_test(first, "one"));
    check(strcmp(trace, "IpC") == 0 && CU_get_number_of_tests_run() == 1, "one test runs alone");
    trace[0] = '\0';
    CU_basic_run_suite(CU_get_suite("second: with *odd* -characters?"));
    check(strcmp(trace, "p") == 0, "one suite runs alone, whatever its name");
    trace[0] = '\0';
    CU_set_fail_on_inactive(CU_FALSE);
    CU_set_test_active(CU_get_test(first, "two"), CU_FALSE);
    CU_basic_run_tests();
    check(strcmp(trace, "IpCp") == 0, "an inactive test does not run");
    check(CU_get_number_of_tests_failed() == 0 && CU_get_number_of_failure_records() == 0,
          "nor does it count as failed");
    CU_set_fail_on_inactive(CU_TRUE);
    CU_basic_run_tests();
    check(CU_get_number_of_failure_records() == 1, "unless inactive ones count");
    CU_cleanup_registry();
}

int main(void)
{
    CU_basic_set_mode(CU_BRM_SILENT);
    check_errors();
    check_order_and_totals();
    check_lists_and_selection();
    printf("%d passed, %d failed\n", checked - wrong, wrong);
    fflush(NULL);
    /* Tests failed on purpose; the replacement would make that the program's exit code. */
    _exit(wrong != 0);
}
