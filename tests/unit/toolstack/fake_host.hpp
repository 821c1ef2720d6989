// SPDX-License-Identifier: MIT
// The hypervisor, the store and the making of guests, in place of vmctl's own: what can be seen of a verb without a machine.
#pragma once

#include "domain/lifecycle.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace vm::test
{

/// What the fakes know, and what was done with them.
struct FakeHost
{
    std::vector<DomainInfo> domains;
    std::map<std::string, std::string> nodes; ///< of the store
    std::string log;                          ///< of the hypervisor

    unsigned store_reads = 0;
    bool log_was_read = false;
    std::vector<GuestConfig> checked; ///< by dry runs
    std::vector<GuestConfig> created;
};

FakeHost& fake_host();

/// The domain that every guest becomes.
constexpr DomainId kNewDomain = 7;

/// A host with nothing on it, and a registry of its own.
class HostTest : public testing::Test
{
protected:
    HostTest();
    ~HostTest() override;

    std::string root_;
};

} // namespace vm::test
