/* SPDX-License-Identifier: MIT */
/* One program with one fault, or none: SAMPLE says which. The verdict test runs it and expects a matching exit code. */
#include "verdict.h"

#include <CUnit/Basic.h>

#include <string.h>

static int set_ups;
static int after_fatal;

static int succeed(void)
{
    return 0;
}

static int fail(void)
{
    return 1;
}

static void set_up(void)
{
    ++set_ups;
}

static void passes(void)
{
    CU_ASSERT_EQUAL(1 + 1, 2);
    CU_ASSERT_STRING_EQUAL("same", "same");
    CU_ASSERT_PTR_NULL(NULL);
    CU_ASSERT_DOUBLE_EQUAL(0.5, 0.51, 0.1);
}

static void passes_after_set_up(void)
{
    CU_ASSERT(set_ups > 0);
}

static void fails(void)
{
    CU_ASSERT_EQUAL(1 + 1, 3);
}

static void fails_fatally(void)
{
    CU_ASSERT_FATAL(0);
    after_fatal = 1;
}

static void sees_that_fatal_ended_its_test(void)
{
    CU_ASSERT_EQUAL(after_fatal, 0);
}

static CU_pSuite add(char const* name, CU_InitializeFunc initialise, CU_CleanupFunc clean_up, CU_TestFunc test)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown(name, initialise, clean_up, set_up, NULL);

    if (suite != NULL && test != NULL && CU_add_test(suite, "test", test) == NULL)
        return NULL;
    return suite;
}

/* Registers what the named sample consists of; 0 when there is no such sample. */
static int register_sample(char const* sample)
{
    CU_pSuite suite;

    if (strcmp(sample, "good") == 0)
    {
        suite = add("good", succeed, succeed, passes);
        return suite != NULL && CU_add_test(suite, "set up", passes_after_set_up) != NULL;
    }
    if (strcmp(sample, "no-suite") == 0)
        return 1;
    if (strcmp(sample, "no-test") == 0)
        return add("empty", succeed, succeed, NULL) != NULL;
    if (strcmp(sample, "failing-set-up") == 0)
        return add("healthy", NULL, NULL, passes) != NULL && add("broken", fail, NULL, passes) != NULL;
    if (strcmp(sample, "only-failing-set-up") == 0)
        return add("broken", fail, NULL, passes) != NULL;
    if (strcmp(sample, "failing-clean-up") == 0)
        return add("broken", NULL, fail, passes) != NULL;
    if (strcmp(sample, "failing-assertion") == 0)
        return add("healthy", NULL, NULL, passes) != NULL && add("broken", NULL, NULL, fails) != NULL;
    if (strcmp(sample, "failing-fatal-assertion") == 0)
        return add("broken", NULL, NULL, fails_fatally) != NULL &&
               add("afterwards", NULL, NULL, sees_that_fatal_ended_its_test) != NULL;
    if (strcmp(sample, "inactive") == 0)
    {
        suite = add("inactive", NULL, NULL, passes);
        return suite != NULL && add("healthy", NULL, NULL, passes) != NULL &&
               CU_set_suite_active(suite, CU_FALSE) == CUE_SUCCESS;
    }
    return 0;
}

int main(int count, char** arguments)
{
    char const* sample = count > 1 ? arguments[1] : "";
    int careless = count > 2 && strcmp(arguments[2], "--careless") == 0;

    if (CU_initialize_registry() != CUE_SUCCESS || !register_sample(sample))
    {
        fprintf(stderr, "sample: cannot register %s\n", sample);
        return 3;
    }
    if (!careless)
        return run_and_judge();

    /* What many programs do: the framework's error is all they look at. */
    CU_basic_run_tests();
    CU_cleanup_registry();
    return (int)CU_get_error();
}
