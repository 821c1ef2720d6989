// SPDX-License-Identifier: MIT
// Declares every handler that a table row names.
#pragma once

#include <hypercalls/dispatch/caller.hpp>
#include <hypercalls/dispatch/hypercall.hpp>
#include <hypercalls/handlers/debugreg.hpp>
#include <hypercalls/handlers/domctl.hpp>
#include <hypercalls/handlers/event_channel.hpp>
#include <hypercalls/handlers/grant_table.hpp>
#include <hypercalls/handlers/groups.hpp>
#include <hypercalls/handlers/memory.hpp>
#include <hypercalls/handlers/mmu.hpp>
#include <hypercalls/handlers/physdev.hpp>
#include <hypercalls/handlers/platform.hpp>
#include <hypercalls/handlers/pv.hpp>
#include <hypercalls/handlers/sched.hpp>
#include <hypercalls/handlers/sysctl.hpp>
#include <hypercalls/handlers/tessera.hpp>
#include <hypercalls/handlers/timer.hpp>
#include <hypercalls/handlers/vcpu.hpp>
#include <hypercalls/handlers/version.hpp>
