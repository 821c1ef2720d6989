// SPDX-License-Identifier: MIT
// Storage of the version facts.
#include <core/policy/version_facts.hpp>

namespace hv::policy
{
namespace
{

constinit VersionFacts facts;

} // namespace

void set_version_facts(VersionFacts const& now)
{
    facts = now;
}

VersionFacts const& version_facts()
{
    return facts;
}

} // namespace hv::policy
