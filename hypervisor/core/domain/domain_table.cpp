// SPDX-License-Identifier: MIT
// Domain ids: one array slot each, a bitmap to find the next one, references.
#include <core/domain/lifecycle.hpp>

#include <core/domain/domain_table.hpp>

#include <bit>

namespace hv
{
namespace
{

SpinLock table_lock{LockRank::DomainTable};
Domain* table[kFirstReservedDomain];
std::uint64_t present[(kFirstReservedDomain + 63) / 64];
std::uint64_t present_summary[8]; // bit n: present[n] is not 0
std::uint32_t rover = 0;          // last id given out automatically
std::uint32_t count = 0;

// The lowest id >= `from` in the table, or kFirstReservedDomain. Constant time: two words and a summary of 8.
std::uint32_t next_present(std::uint32_t from)
{
    if (from >= kFirstReservedDomain)
        return kFirstReservedDomain;
    std::uint32_t word = from / 64;
    if (std::uint64_t const bits = present[word] & (~0ull << (from % 64)); bits != 0)
        return word * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
    ++word;
    for (std::uint32_t group = word / 64; group < 8; ++group)
    {
        std::uint64_t bits = present_summary[group];
        if (group == word / 64)
            bits &= ~0ull << (word % 64);
        if (bits == 0)
            continue;
        word = group * 64 + static_cast<std::uint32_t>(std::countr_zero(bits));
        return word * 64 + static_cast<std::uint32_t>(std::countr_zero(present[word]));
    }
    return kFirstReservedDomain;
}

void set_present(std::uint32_t id, bool value)
{
    std::uint64_t const bit = 1ull << (id % 64);
    std::uint64_t& word = present[id / 64];
    word = value ? word | bit : word & ~bit;
    std::uint64_t const summary = 1ull << (id / 64 % 64);
    std::uint64_t& group = present_summary[id / 64 / 64];
    group = word != 0 ? group | summary : group & ~summary;
}

// The next id after the rover that is free; ids grow until they wrap, so a new domain rarely reuses a recent id.
std::uint32_t pick_id()
{
    for (std::uint32_t tried = 0; tried < kFirstReservedDomain; ++tried)
    {
        rover = rover + 1 < kFirstReservedDomain ? rover + 1 : 1;
        if (table[rover] == nullptr)
            return rover;
    }
    return kFirstReservedDomain;
}

// Holds an id while its domain is being built; never dereferenced.
Domain* reserved_slot()
{
    return reinterpret_cast<Domain*>(alignof(Domain));
}

} // namespace

Result<DomainId> reserve_domain_id(std::uint32_t wanted, bool control)
{
    Guard guard(table_lock);
    if (!control && (wanted == 0 || wanted >= kFirstReservedDomain))
        wanted = pick_id();
    HV_REQUIRE(wanted < kFirstReservedDomain, Errno::NoSpc);
    HV_REQUIRE(table[wanted] == nullptr, Errno::Exist);
    table[wanted] = reserved_slot();
    return DomainId{static_cast<std::uint16_t>(wanted)};
}

void cancel_domain_id(DomainId id)
{
    Guard guard(table_lock);
    table[id.raw()] = nullptr;
}

void publish_domain(Domain& domain)
{
    Guard guard(table_lock);
    table[domain.id().raw()] = &domain;
    set_present(domain.id().raw(), true);
    ++count;
}

bool unpublish_if_unreferenced(Domain& domain)
{
    Guard guard(table_lock);
    if (load_acquire(domain.references) != 0)
        return false;
    table[domain.id().raw()] = nullptr;
    set_present(domain.id().raw(), false);
    --count;
    return true;
}

DomainRef find_domain(DomainId id)
{
    if (id.raw() >= kFirstReservedDomain)
        return {};
    Guard guard(table_lock);
    Domain* domain = table[id.raw()];
    if (domain == nullptr || domain == reserved_slot() || load_relaxed(domain->references) == 0)
        return {};
    domain_hold(*domain);
    return DomainRef(domain);
}

DomainRef find_domain(Domain& caller, DomainId id)
{
    if (id == kDomainSelf || id == caller.id())
    {
        domain_hold(caller);
        return DomainRef(&caller);
    }
    return find_domain(id);
}

std::size_t next_domains(std::uint32_t from, std::span<DomainRef> found)
{
    std::size_t count = 0;
    Guard guard(table_lock);
    for (std::uint32_t id = next_present(from); id < kFirstReservedDomain; id = next_present(id + 1))
    {
        if (load_relaxed(table[id]->references) == 0)
            continue;
        domain_hold(*table[id]);
        found[count++] = DomainRef(table[id]);
        if (count == found.size())
            break;
    }
    return count;
}

Domain& control_domain()
{
    return *table[0];
}

Domain* domain_of_frame(DomainId owner)
{
    return table[owner.raw()];
}

void domain_hold(Domain& domain)
{
    fetch_add(domain.references, 1u);
}

void domain_release(Domain& domain)
{
    // A lookup may raise the count from 0 to 1 only under the table lock, and refuses to; so 0 is final once seen there.
    if (fetch_sub(domain.references, 1u) == 1 && unpublish_if_unreferenced(domain))
        free_domain(domain);
}

DomainRef::~DomainRef()
{
    if (domain_ != nullptr)
        domain_release(*domain_);
}

std::uint32_t domain_count()
{
    return load_relaxed(count);
}

} // namespace hv
