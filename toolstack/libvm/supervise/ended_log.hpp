// SPDX-License-Identifier: MIT
// Remembers how guests ended, so that somebody who looks for a guest that is gone learns why.
#pragma once

#include "hypervisor/hypervisor.hpp"

#include <optional>
#include <string>

namespace vm
{

/// A text file of bounded size, one line a guest's end; the older half goes when it is full.
class EndedLog
{
public:
    explicit EndedLog(std::string const& root) : path_(root + "/ended.log") {}

    void add(std::string const& name, DomainId domain, std::string const& how) const;

    /// The newest line about a guest of this name, without the name.
    std::optional<std::string> find(std::string const& name) const;

private:
    std::string path_;
};

} // namespace vm
