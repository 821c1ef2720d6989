// SPDX-License-Identifier: MIT
// Declares every handler that a table row names.
#pragma once

#include <hypercalls/dispatch/caller.hpp>
#include <hypercalls/handlers/debugreg.hpp>
#include <hypercalls/handlers/version.hpp>
