// SPDX-License-Identifier: MIT
// Interrupted teardowns of a domain's tables, looked for before every other table operation.
#pragma once

#include <core/domain/domain.hpp>
#include <core/mm/page_table.hpp>

namespace hv
{

namespace detail
{
Result<void> finish_deferred_tables(Domain& owner, Budget& budget);
} // namespace detail

// mmu_lock held.
inline bool none_deferred(Domain const& owner)
{
    Mfn const* const tables = owner.deferred_tables.data();
    static_assert(kInvalidMfn.raw() == ~0ull); // so that "all of them" is one AND
    return (tables[1].raw() & tables[2].raw() & tables[3].raw() & tables[4].raw()) == kInvalidMfn.raw();
}

// Finishes them. Restart when the budget ran out. mmu_lock held.
inline Result<void> finish_deferred(Domain& owner, Budget& budget)
{
    if (none_deferred(owner)) [[likely]]
        return {};
    return detail::finish_deferred_tables(owner, budget);
}

} // namespace hv
