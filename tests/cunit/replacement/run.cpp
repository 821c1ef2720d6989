// SPDX-License-Identifier: MIT
// Hands CUnit tests to GoogleTest, runs them there and counts what came of them.
#include "run.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csetjmp>
#include <cstdlib>
#include <map>

namespace cunit
{
namespace
{

struct RunState
{
    CU_RunSummary summary{};
    Suite* suite = nullptr; // whose tests are running
    Test* test = nullptr;   // that is running
    unsigned failures_of_test = 0;
    std::jmp_buf* fatal_exit = nullptr;
    bool fail_on_inactive = true;
    bool stop = false; // CUEA_FAIL and an error: run nothing more
    bool initialised = false;
    unsigned tests_ever = 0;
    bool ever_failed = false;
    std::map<std::string, unsigned> shown_names;
};

// Leaked on purpose: the exit handler still reads it.
RunState& run_state()
{
    static RunState* const kState = new RunState;
    return *kState;
}

void note_framework_error(CU_ErrorCode error)
{
    set_error(error);
    run_state().stop = run_state().stop || CU_get_error_action() != CUEA_IGNORE;
}

bool set_up_suite(Suite& suite)
{
    RunState& run = run_state();
    run.suite = &suite;
    ++run.summary.nSuitesRun;
    suite.ready = suite.base.pInitializeFunc == nullptr || suite.base.pInitializeFunc() == 0;
    if (!suite.ready)
    {
        ++run.summary.nSuitesFailed;
        ++run.summary.nFailureRecords;
        note_framework_error(CUE_SINIT_FAILED);
    }
    return suite.ready;
}

bool clean_up_suite(Suite& suite)
{
    RunState& run = run_state();
    bool const clean = !suite.ready || suite.base.pCleanupFunc == nullptr || suite.base.pCleanupFunc() == 0;
    if (!clean)
    {
        ++run.summary.nSuitesFailed;
        ++run.summary.nFailureRecords;
        note_framework_error(CUE_SCLEAN_FAILED);
    }
    suite.ready = false;
    run.suite = nullptr;
    return clean;
}

Suite* suite_being_run()
{
    testing::TestSuite const* const running = testing::UnitTest::GetInstance()->current_test_suite();
    Registry* const registry = current_registry();
    if (running == nullptr || registry == nullptr)
        return nullptr;
    for (Suite& suite : registry->suites)
        if (suite.shown_name == running->name())
            return &suite;
    return nullptr;
}

// The one fixture of all CUnit tests; GoogleTest calls its static members around each suite.
class CunitTest : public testing::Test
{
public:
    explicit CunitTest(cunit::Test& test) : test_(test) {}

    static void SetUpTestSuite()
    {
        Suite* const suite = suite_being_run();
        if (suite != nullptr && !run_state().stop && !set_up_suite(*suite))
            ADD_FAILURE() << "the set-up of suite " << suite->name << " failed";
    }

    static void TearDownTestSuite()
    {
        Suite* const suite = suite_being_run();
        if (suite != nullptr && suite == run_state().suite && !clean_up_suite(*suite))
            ADD_FAILURE() << "the clean-up of suite " << suite->name << " failed";
    }

    void TestBody() override
    {
        if (!test_.suite->ready)
            GTEST_SKIP() << "its suite was not set up";
        RunState& run = run_state();
        run.test = &test_;
        run.failures_of_test = 0;
        ++run.summary.nTestsRun;
        run_function();
        run.summary.nTestsFailed += run.failures_of_test != 0 ? 1 : 0;
        run.test = nullptr;
    }

private:
    // A fatal assertion leaves the C frames by longjmp, as CUnit's own does; no C++ frame lies between.
    void run_function()
    {
        std::jmp_buf here;
        run_state().fatal_exit = &here;
        CU_Suite const& suite = test_.suite->base;
        if (setjmp(here) == 0)
        {
            if (suite.pSetUpFunc != nullptr)
                suite.pSetUpFunc();
            test_.base.pTestFunc();
        }
        run_state().fatal_exit = nullptr;
        if (suite.pTearDownFunc != nullptr)
            suite.pTearDownFunc();
    }

    cunit::Test& test_;
};

// GoogleTest's filter gives these characters a meaning.
std::string plain_name(std::string name)
{
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ':' || c == '*' || c == '?' || c == '-' || c == '.'; }, '_');
    return name.empty() ? "unnamed" : name;
}

void hand_over(Suite& suite, Test& test)
{
    if (suite.shown_name.empty())
    {
        std::string const name = plain_name(suite.name);
        unsigned const earlier = run_state().shown_names[name]++;
        suite.shown_name = earlier == 0 ? name : name + " (" + std::to_string(earlier + 1) + ")";
    }
    testing::RegisterTest(suite.shown_name.c_str(), plain_name(test.name).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&test]() -> CunitTest* { return new CunitTest(test); });
    test.handed_to_googletest = true;
}

// An inactive suite or test is a failure unless CU_set_fail_on_inactive() says that it is not.
void note_inactive(unsigned int& count)
{
    ++count;
    if (run_state().fail_on_inactive)
        ++run_state().summary.nFailureRecords;
}

std::string select(Registry& registry, std::function<bool(Suite const&, Test const&)> const& wanted)
{
    std::string filter;
    for (Suite& suite : registry.suites)
    {
        if (suite.base.fActive == CU_FALSE)
        {
            note_inactive(run_state().summary.nSuitesInactive);
            continue;
        }
        for (Test& test : suite.tests)
        {
            if (!wanted(suite, test))
                continue;
            if (test.base.fActive == CU_FALSE)
            {
                note_inactive(run_state().summary.nTestsInactive);
                continue;
            }
            if (!test.handed_to_googletest)
                hand_over(suite, test);
            filter += (filter.empty() ? "" : ":") + suite.shown_name + "." + plain_name(test.name);
        }
    }
    return filter;
}

void initialise_googletest()
{
    if (run_state().initialised)
        return;
    static char name[] = "cunit";
    static char* arguments[] = {name, nullptr};
    int count = 1;
    testing::InitGoogleTest(&count, arguments);
    run_state().initialised = true;
}

bool failed(CU_RunSummary const& summary)
{
    return summary.nSuitesFailed != 0 || summary.nTestsFailed != 0 || summary.nAssertsFailed != 0 ||
           summary.nFailureRecords != 0;
}

void give_verdict()
{
    RunState const& run = run_state();
    if (run.tests_ever != 0 && !run.ever_failed)
        return;
    if (run.tests_ever == 0)
        std::fprintf(stderr, "cunit: no test ran\n");
    std::fflush(nullptr);
    _exit(1);
}

} // namespace

void expect_verdict_at_exit()
{
    static bool const kRegistered = std::atexit(give_verdict) == 0;
    static_cast<void>(kRegistered);
}

CU_ErrorCode run_selected(std::function<bool(Suite const&, Test const&)> const& wanted)
{
    Registry* const registry = current_registry();
    if (registry == nullptr)
        return set_error(CUE_NOREGISTRY);
    RunState& run = run_state();
    run.summary = {};
    run.stop = false;
    set_error(CUE_SUCCESS);
    initialise_googletest();
    std::string const filter = select(*registry, wanted);
    if (!filter.empty())
    {
        GTEST_FLAG_SET(filter, filter);
        auto const start = std::chrono::steady_clock::now();
        int const result = RUN_ALL_TESTS();
        run.summary.ElapsedTime = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        run.ever_failed = run.ever_failed || result != 0;
    }
    run.tests_ever += run.summary.nTestsRun;
    run.ever_failed = run.ever_failed || failed(run.summary);
    return CU_get_error();
}

void set_brief(bool brief)
{
    GTEST_FLAG_SET(brief, brief);
}

void set_xml_output(std::string const& path)
{
    GTEST_FLAG_SET(output, "xml:" + path);
}

} // namespace cunit

using cunit::run_state;

CU_BOOL CU_assertImplementation(CU_BOOL passed, unsigned int line, char const* condition, char const* file,
                                char const* function, CU_BOOL fatal)
{
    cunit::RunState& run = run_state();
    ++run.summary.nAsserts;
    if (passed != CU_FALSE)
        return passed;
    ++run.summary.nAssertsFailed;
    ++run.summary.nFailureRecords;
    ++run.failures_of_test;
    ADD_FAILURE_AT(file, static_cast<int>(line)) << condition << "\nin " << function;
    if (fatal != CU_FALSE && run.fatal_exit != nullptr)
        std::longjmp(*run.fatal_exit, 1);
    return passed;
}

void CU_set_fail_on_inactive(CU_BOOL fail)
{
    run_state().fail_on_inactive = fail != CU_FALSE;
}

CU_BOOL CU_get_fail_on_inactive()
{
    return run_state().fail_on_inactive ? CU_TRUE : CU_FALSE;
}

unsigned int CU_get_number_of_suites_run()
{
    return run_state().summary.nSuitesRun;
}
unsigned int CU_get_number_of_suites_failed()
{
    return run_state().summary.nSuitesFailed;
}
unsigned int CU_get_number_of_suites_inactive()
{
    return run_state().summary.nSuitesInactive;
}
unsigned int CU_get_number_of_tests_run()
{
    return run_state().summary.nTestsRun;
}
unsigned int CU_get_number_of_tests_failed()
{
    return run_state().summary.nTestsFailed;
}
unsigned int CU_get_number_of_tests_inactive()
{
    return run_state().summary.nTestsInactive;
}
unsigned int CU_get_number_of_asserts()
{
    return run_state().summary.nAsserts;
}
unsigned int CU_get_number_of_failures()
{
    return run_state().summary.nAssertsFailed;
}
unsigned int CU_get_number_of_failure_records()
{
    return run_state().summary.nFailureRecords;
}
double CU_get_elapsed_time()
{
    return run_state().summary.ElapsedTime;
}
CU_pRunSummary CU_get_run_summary()
{
    return &run_state().summary;
}
CU_pSuite CU_get_current_suite()
{
    return run_state().suite != nullptr ? &run_state().suite->base : nullptr;
}
CU_pTest CU_get_current_test()
{
    return run_state().test != nullptr ? &run_state().test->base : nullptr;
}
CU_BOOL CU_is_test_running()
{
    return run_state().test != nullptr ? CU_TRUE : CU_FALSE;
}

unsigned int CU_get_number_of_successes()
{
    return run_state().summary.nAsserts - run_state().summary.nAssertsFailed;
}
