// SPDX-License-Identifier: MIT
// Finds guests by what users call them: a name, a domain id or a uuid.
#pragma once

#include "domain/lifecycle.hpp"

#include <optional>
#include <string>
#include <vector>

namespace vm
{

struct FoundGuest
{
    DomainInfo info;
    std::string name;
    std::optional<GuestRecord> record; ///< not for guests of other toolstacks, nor if it is damaged
    std::string damage;                ///< what is wrong with the record, empty: nothing
};

/// Throws Error(NotFound), with a hint if a similar name exists.
FoundGuest find_guest(Host& host, std::string const& who);

/// All domains, the control domain first.
std::vector<FoundGuest> all_guests(Host& host);

/// Throws Error(WrongState) if a domain of another toolstack has the name.
/// (Those of ours are in the registry, which answers for them.)
void check_name_is_free(Host& host, std::string const& name);

} // namespace vm
