// SPDX-License-Identifier: MIT
// Mapping and unmapping grants.
#include <core/domain/lifecycle.hpp>
#include <core/domain/loaded_cpus.hpp>
#include <core/grant/grant_operations.hpp>
#include <core/grant/use.hpp>
#include <core/mm/grant_pte.hpp>
#include <core/mm/pte.hpp>
#include <port/port.hpp>

namespace hv::grant
{
namespace
{

constexpr std::uint32_t kUses = GNTMAP_host_map | GNTMAP_device_map;

GrantUse use_of(std::uint32_t kind, bool read_only)
{
    if (kind == GNTMAP_host_map)
        return read_only ? GrantUse::HostRead : GrantUse::HostWrite;
    return read_only ? GrantUse::DeviceRead : GrantUse::DeviceWrite;
}

// The entry that GNTTABOP_map_grant_ref asks for (surface 2.7).
std::uint64_t entry_for(Mfn frame, std::uint32_t flags)
{
    std::uint64_t entry = to_address(frame).raw() | pte::kPresent | pte::kAccessed | pte::kDirty | pte::kNoExecute;
    if ((flags & GNTMAP_readonly) == 0)
        entry |= pte::kWritable;
    if ((flags & GNTMAP_application_map) != 0)
        entry |= pte::kUser;
    return entry | ((std::uint64_t{flags >> _GNTMAP_guest_avail0} << 9) & pte::kAvailable);
}

// Notes a use of one kind that the granter has counted, or not.
GrantStatus note_use(GrantMapping& mapping, std::uint32_t kind, AcquiredGrant const& grant)
{
    if (grant.status != GNTST_okay) [[unlikely]]
        return grant.status;
    mapping.frame = grant.frame;
    mapping.uses |= kind;
    return GNTST_okay;
}

// Counts the asked uses at the granter. The caller ends what `mapping` then has when one cannot be had.
[[gnu::always_inline]] inline GrantStatus acquire_uses(GrantTable& table, DomainId user, std::uint32_t flags,
                                                       GrantMapping& mapping)
{
    GrantStatus status = GNTST_okay;
    if ((flags & GNTMAP_host_map) != 0) [[likely]]
        status = note_use(mapping, GNTMAP_host_map,
                          table.acquire_here(user, mapping.ref, use_of(GNTMAP_host_map, mapping.read_only), false));
    if (status == GNTST_okay && (flags & GNTMAP_device_map) != 0) [[unlikely]]
        status = note_use(mapping, GNTMAP_device_map,
                          table.acquire(user, mapping.ref, use_of(GNTMAP_device_map, mapping.read_only), false));
    return status;
}

[[gnu::always_inline]] inline void end_use(GrantMapping const& mapping, std::uint32_t kind)
{
    // Until it is dropped, its frame counts as a reference of the granter: that is still there, at least as a shell.
    domain_of_frame(mapping.granter)->grants->release_here(mapping.ref, use_of(kind, mapping.read_only));
    drop_use(mapping.frame, !mapping.read_only);
}

GrantStatus handle_error(Errno error)
{
    return error == Errno::NoSpc || error == Errno::NoMem ? GNTST_no_space : GNTST_general_error;
}

} // namespace

[[gnu::noinline]] void end_uses(GrantMapping& mapping, std::uint32_t uses)
{
    if ((uses & GNTMAP_host_map) != 0) [[likely]]
        end_use(mapping, GNTMAP_host_map);
    if ((uses & GNTMAP_device_map) != 0)
        end_use(mapping, GNTMAP_device_map);
    mapping.uses &= ~uses;
}

// Puts the mapping into the page table, if it is a host mapping.
GrantStatus Mapper::install(abi::gnttab_map_grant_ref const& operation, Mfn frame)
{
    if ((operation.flags & GNTMAP_host_map) == 0)
        return GNTST_okay;
    GrantSlot const slot{operation.host_addr, (operation.flags & GNTMAP_contains_pte) != 0};
    auto const installed = install_grant_mapping(mapper_.domain(), mapper_, slot, entry_for(frame, operation.flags));
    return installed ? GNTST_okay : GNTST_general_error;
}

GrantStatus Mapper::map(abi::gnttab_map_grant_ref& operation)
{
    if ((operation.flags & kUses) == 0)
        return GNTST_general_error;
    if ((operation.flags & GNTMAP_contains_pte) != 0 && operation.host_addr % 8 != 0)
        return GNTST_general_error;
    Domain& domain = mapper_.domain();
    Domain* const granter = granter_.find(domain, DomainId{operation.dom});
    if (granter == nullptr)
        return GNTST_bad_domain;

    auto const taken = domain.grants->new_handle();
    if (!taken)
        return handle_error(taken.error());
    GrantMapping& mapping = **taken;
    mapping.ref = GrantRef{operation.ref};
    mapping.granter = granter->id();
    mapping.read_only = (operation.flags & GNTMAP_readonly) != 0;
    mapping.contains_pte = (operation.flags & GNTMAP_contains_pte) != 0;
    GrantStatus status = acquire_uses(*granter->grants, domain.id(), operation.flags, mapping);
    if (status == GNTST_okay) [[likely]]
        status = install(operation, mapping.frame);
    if (status == GNTST_okay) [[likely]]
    {
        operation.handle = mapping.handle;
        operation.dev_bus_addr = to_address(mapping.frame).raw();
    }
    else
    {
        end_uses(mapping, mapping.uses);
    }
    domain.grants->settle_handle(mapping);
    return status;
}

GrantStatus begin_unmap(Vcpu& mapper, abi::gnttab_unmap_grant_ref const& operation, PendingUnmap& pending)
{
    GrantTable& own = *mapper.domain().grants;
    GrantMapping* const mapping = own.claim_handle(operation.handle);
    if (mapping == nullptr)
        return GNTST_bad_handle;
    GrantStatus status = GNTST_okay;
    std::uint32_t ending = 0;
    if (operation.dev_bus_addr != 0 && (mapping->uses & GNTMAP_device_map) != 0)
    {
        ending |= GNTMAP_device_map;
        if (operation.dev_bus_addr != to_address(mapping->frame).raw())
            status = GNTST_general_error;
    }
    if (status == GNTST_okay && operation.host_addr != 0 && (mapping->uses & GNTMAP_host_map) != 0)
    {
        ending |= GNTMAP_host_map;
        GrantSlot const slot{operation.host_addr, mapping->contains_pte};
        if (!remove_grant_mapping(mapper.domain(), mapper, slot, mapping->frame, mapping->read_only))
            status = GNTST_general_error;
    }
    if (status != GNTST_okay)
        own.settle_handle(*mapping);
    else
        pending = PendingUnmap{mapping, mapping->contains_pte ? 0 : operation.host_addr, ending};
    return status;
}

GrantStatus begin_replace(Vcpu& mapper, abi::gnttab_unmap_and_replace const& operation, PendingUnmap& pending)
{
    GrantTable& own = *mapper.domain().grants;
    GrantMapping* const mapping = own.claim_handle(operation.handle);
    if (mapping == nullptr)
        return GNTST_bad_handle;
    bool const replaced =
        (mapping->uses & GNTMAP_host_map) != 0 && !mapping->contains_pte &&
        static_cast<bool>(replace_grant_mapping(mapper.domain(), mapper, GrantSlot{operation.host_addr, false},
                                                mapping->frame, mapping->read_only, operation.new_addr));
    if (!replaced)
    {
        own.settle_handle(*mapping);
        return GNTST_general_error;
    }
    pending = PendingUnmap{mapping, 0, GNTMAP_host_map};
    return GNTST_okay;
}

void finish_unmaps(Vcpu& mapper, std::span<PendingUnmap> pending)
{
    if (pending.empty())
        return;
    Domain& domain = mapper.domain();
    // A guest may have linked the L1 table at several addresses and touched the page through all of them, so one address is
    // enough only for the control domain, which can map any guest's frame anyway.
    CpuMask const cpus = loaded_cpus(domain);
    if (domain.control && pending.size() == 1 && pending[0].address != 0)
        port::flush_tlb(cpus, port::Flush::Page, GuestVirtual{pending[0].address});
    else
        port::flush_tlb(cpus, port::Flush::All);
    for (PendingUnmap const& one : pending)
    {
        end_uses(*one.mapping, one.ending);
        domain.grants->settle_handle(*one.mapping);
    }
}

} // namespace hv::grant
