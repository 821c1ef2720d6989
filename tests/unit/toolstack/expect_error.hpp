// SPDX-License-Identifier: MIT
// Lets tests state which error they expect: its code, and words of its cause and hint.
#pragma once

#include "base/error.hpp"

#include <gtest/gtest.h>
#include <string>

namespace vm::test
{

/// Runs `action`, which must throw an Error with this code whose cause and hint contain these words.
template<typename Action>
void expect_error(ExitCode code, std::string const& cause, std::string const& hint, Action action)
{
    try
    {
        action();
        ADD_FAILURE() << "no error, expected: " << cause;
    }
    catch (Error const& error)
    {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_NE(std::string(error.what()).find(cause), std::string::npos) << error.what();
        EXPECT_NE(error.hint().find(hint), std::string::npos) << error.hint();
    }
}

} // namespace vm::test
