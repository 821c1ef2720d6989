// SPDX-License-Identifier: MIT
// Runs of CUnit tests on GoogleTest, and the verdict that a program leaves behind.
#pragma once

#include "registry.hpp"

#include <functional>

namespace cunit
{

// From now on the program's exit code is 1 instead of 0 when, by its end, no test has run or something has failed.
// A program that looks only at CU_get_error(), as many do, would report success otherwise.
void expect_verdict_at_exit();

// Runs the tests that `wanted` picks of those that are active. The totals are of this run.
CU_ErrorCode run_selected(std::function<bool(Suite const&, Test const&)> const& wanted);

// Before the program's first run: whether GoogleTest tells of every test, and where it leaves its XML file.
void set_brief(bool brief);
void set_xml_output(std::string const& path);

} // namespace cunit
