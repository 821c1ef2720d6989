// SPDX-License-Identifier: MIT
// CUnit's registry functions: adding and finding suites and tests, and the error state.
#include "registry.hpp"

#include "run.hpp"

#include <cstdarg>
#include <cstdlib>

namespace cunit
{
namespace
{

struct State
{
    std::deque<Registry> registries;
    Registry* current = nullptr;
    CU_ErrorCode error = CUE_SUCCESS;
    CU_ErrorAction action = CUEA_IGNORE;
};

// Leaked on purpose: the exit handler still reads it.
State& state()
{
    static State* const kState = new State;
    return *kState;
}

CU_ErrorCode add_listed(CU_SuiteInfo const* listed)
{
    for (; listed->pName != nullptr; ++listed)
    {
        CU_pSuite const suite = CU_add_suite_with_setup_and_teardown(
            listed->pName, listed->pInitFunc, listed->pCleanupFunc, listed->pSetUpFunc, listed->pTearDownFunc);
        if (suite == nullptr)
            return CU_get_error();
        for (CU_TestInfo const* test = listed->pTests; test != nullptr && test->pName != nullptr; ++test)
            if (CU_add_test(suite, test->pName, test->pTestFunc) == nullptr)
                return CU_get_error();
    }
    return set_error(CUE_SUCCESS);
}

} // namespace

Test* Suite::find(char const* test_name)
{
    for (Test& test : tests)
        if (test.name == test_name)
            return &test;
    return nullptr;
}

Suite* Registry::find(char const* suite_name)
{
    for (Suite& suite : suites)
        if (suite.name == suite_name)
            return &suite;
    return nullptr;
}

Suite* Registry::find(CU_pSuite wanted)
{
    for (Suite& suite : suites)
        if (&suite.base == wanted)
            return &suite;
    return nullptr;
}

Registry* current_registry()
{
    return state().current;
}

CU_ErrorCode set_error(CU_ErrorCode error)
{
    state().error = error;
    if (error != CUE_SUCCESS && state().action == CUEA_ABORT)
    {
        std::fprintf(stderr, "cunit: %s\n", CU_get_error_msg());
        std::exit(static_cast<int>(error));
    }
    return error;
}

} // namespace cunit

using cunit::set_error;

CU_ErrorCode CU_initialize_registry()
{
    cunit::state().current = &cunit::state().registries.emplace_back();
    cunit::expect_verdict_at_exit();
    return set_error(CUE_SUCCESS);
}

void CU_cleanup_registry()
{
    cunit::state().current = nullptr;
    set_error(CUE_SUCCESS);
}

CU_BOOL CU_registry_initialized()
{
    return cunit::current_registry() != nullptr ? CU_TRUE : CU_FALSE;
}

CU_pSuite CU_add_suite(char const* name, CU_InitializeFunc initialise, CU_CleanupFunc clean_up)
{
    return CU_add_suite_with_setup_and_teardown(name, initialise, clean_up, nullptr, nullptr);
}

CU_pSuite CU_add_suite_with_setup_and_teardown(char const* name, CU_InitializeFunc initialise, CU_CleanupFunc clean_up,
                                               CU_SetUpFunc set_up, CU_TearDownFunc tear_down)
{
    cunit::Registry* const registry = cunit::current_registry();
    if (registry == nullptr)
        return set_error(CUE_NOREGISTRY), nullptr;
    if (name == nullptr)
        return set_error(CUE_NO_SUITENAME), nullptr;
    CU_ErrorCode const error = registry->find(name) != nullptr ? CUE_DUP_SUITE : CUE_SUCCESS;
    cunit::Suite& suite = registry->suites.emplace_back();
    suite.name = name;
    suite.base = {suite.name.c_str(), CU_TRUE, initialise, clean_up, set_up, tear_down, 0};
    set_error(error);
    return &suite.base;
}

CU_pTest CU_add_test(CU_pSuite suite, char const* name, CU_TestFunc function)
{
    cunit::Registry* const registry = cunit::current_registry();
    if (registry == nullptr)
        return set_error(CUE_NOREGISTRY), nullptr;
    cunit::Suite* const owner = registry->find(suite);
    if (owner == nullptr)
        return set_error(CUE_NOSUITE), nullptr;
    if (name == nullptr)
        return set_error(CUE_NO_TESTNAME), nullptr;
    if (function == nullptr)
        return set_error(CUE_NOTEST), nullptr;
    CU_ErrorCode const error = owner->find(name) != nullptr ? CUE_DUP_TEST : CUE_SUCCESS;
    cunit::Test& test = owner->tests.emplace_back();
    test.name = name;
    test.suite = owner;
    test.base = {test.name.c_str(), CU_TRUE, function};
    ++owner->base.uiNumberOfTests;
    set_error(error);
    return &test.base;
}

CU_ErrorCode CU_register_suites(CU_SuiteInfo suites[])
{
    return CU_register_nsuites(1, suites);
}

CU_ErrorCode CU_register_nsuites(int count, ...)
{
    if (cunit::current_registry() == nullptr)
        return set_error(CUE_NOREGISTRY);
    std::va_list lists;
    va_start(lists, count);
    CU_ErrorCode error = CUE_SUCCESS;
    for (int i = 0; i < count && error == CUE_SUCCESS; ++i)
        if (auto const* const listed = va_arg(lists, CU_SuiteInfo*))
            error = cunit::add_listed(listed);
    va_end(lists);
    return set_error(error);
}

CU_ErrorCode CU_set_suite_active(CU_pSuite suite, CU_BOOL active)
{
    if (suite == nullptr)
        return set_error(CUE_NOSUITE);
    suite->fActive = active != CU_FALSE ? CU_TRUE : CU_FALSE;
    return set_error(CUE_SUCCESS);
}

CU_ErrorCode CU_set_test_active(CU_pTest test, CU_BOOL active)
{
    if (test == nullptr)
        return set_error(CUE_NOTEST);
    test->fActive = active != CU_FALSE ? CU_TRUE : CU_FALSE;
    return set_error(CUE_SUCCESS);
}

CU_pSuite CU_get_suite(char const* name)
{
    cunit::Registry* const registry = cunit::current_registry();
    if (registry == nullptr)
        return set_error(CUE_NOREGISTRY), nullptr;
    if (name == nullptr)
        return set_error(CUE_NO_SUITENAME), nullptr;
    set_error(CUE_SUCCESS);
    cunit::Suite* const found = registry->find(name);
    return found != nullptr ? &found->base : nullptr;
}

CU_pTest CU_get_test(CU_pSuite suite, char const* name)
{
    cunit::Registry* const registry = cunit::current_registry();
    if (registry == nullptr)
        return set_error(CUE_NOREGISTRY), nullptr;
    cunit::Suite* const owner = registry->find(suite);
    if (owner == nullptr)
        return set_error(CUE_NOSUITE), nullptr;
    if (name == nullptr)
        return set_error(CUE_NO_TESTNAME), nullptr;
    set_error(CUE_SUCCESS);
    cunit::Test* const found = owner->find(name);
    return found != nullptr ? &found->base : nullptr;
}

CU_ErrorCode CU_get_error()
{
    return cunit::state().error;
}

void CU_set_error_action(CU_ErrorAction action)
{
    cunit::state().action = action;
}

CU_ErrorAction CU_get_error_action()
{
    return cunit::state().action;
}

char const* CU_get_error_msg()
{
    switch (cunit::state().error)
    {
    case CUE_SUCCESS: return "No error.";
    case CUE_NOMEMORY: return "Out of memory.";
    case CUE_NOREGISTRY: return "There is no registry: CU_initialize_registry() comes first.";
    case CUE_REGISTRY_EXISTS: return "There is a registry already.";
    case CUE_NOSUITE: return "The suite is null or not of this registry.";
    case CUE_NO_SUITENAME: return "The suite has no name.";
    case CUE_SINIT_FAILED: return "A suite's set-up failed.";
    case CUE_SCLEAN_FAILED: return "A suite's clean-up failed.";
    case CUE_DUP_SUITE: return "There is a suite of this name already.";
    case CUE_SUITE_INACTIVE: return "The suite is not active.";
    case CUE_NOTEST: return "The test is null or has no function.";
    case CUE_NO_TESTNAME: return "The test has no name.";
    case CUE_DUP_TEST: return "There is a test of this name in the suite already.";
    case CUE_TEST_NOT_IN_SUITE: return "The test is not part of the suite.";
    case CUE_TEST_INACTIVE: return "The test is not active.";
    case CUE_BAD_FILENAME: return "The file name is not usable.";
    }
    return "Unknown error.";
}
