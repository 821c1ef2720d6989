// SPDX-License-Identifier: MIT
// The suites and tests that a C program has registered, and the framework's error state.
#pragma once

#include "CUnit/CUnit.h"

#include <deque>
#include <string>

namespace cunit
{

struct Suite;

// A test; `base` is what the C program holds a pointer to. Names are copied, since the program may free its own.
struct Test
{
    CU_Test base{};
    std::string name;
    Suite* suite = nullptr;
    bool handed_to_googletest = false;
    bool selected = false; // part of the run that is going on
};

struct Suite
{
    CU_Suite base{};
    std::string name;
    std::string shown_name; // unique among all suites that GoogleTest was ever given
    std::deque<Test> tests;
    bool ready = false; // its set-up succeeded in the run that is going on

    Test* find(char const* test_name);
};

// GoogleTest cannot forget a test, so registries that were cleaned up are kept and never selected again.
struct Registry
{
    std::deque<Suite> suites;

    Suite* find(char const* suite_name);
    Suite* find(CU_pSuite suite);
};

Registry* current_registry();

// The error of the last call, which CU_get_error() tells; acts on it as CU_set_error_action() says.
CU_ErrorCode set_error(CU_ErrorCode error);

} // namespace cunit
