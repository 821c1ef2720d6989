// SPDX-License-Identifier: MIT
// Mapping and unmapping grants.
#include <core/domain/loaded_cpus.hpp>
#include <core/grant/grant_operations.hpp>
#include <core/mm/frame.hpp>
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

void put_reference(Mfn frame, bool read_only)
{
    if (read_only)
        put_frame(frame);
    else
        put_writable(frame);
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

// Counts the asked uses at the granter, all or none.
GrantStatus acquire_uses(GrantTable& table, DomainId user, std::uint32_t flags, GrantMapping& mapping)
{
    for (std::uint32_t const kind : {std::uint32_t{GNTMAP_host_map}, std::uint32_t{GNTMAP_device_map}})
    {
        if ((flags & kind) == 0)
            continue;
        AcquiredGrant grant;
        if (auto const status = table.acquire(user, mapping.ref, use_of(kind, mapping.read_only), false, grant);
            status != GNTST_okay)
        {
            end_uses(mapping, mapping.uses);
            return status;
        }
        mapping.frame = grant.frame;
        mapping.uses |= kind;
    }
    return GNTST_okay;
}

GrantStatus handle_error(Errno error)
{
    return error == Errno::NoSpc || error == Errno::NoMem ? GNTST_no_space : GNTST_general_error;
}

// Puts the mapping into the page table, if it is a host mapping.
GrantStatus install(Vcpu& mapper, abi::gnttab_map_grant_ref const& operation, Mfn frame)
{
    if ((operation.flags & GNTMAP_host_map) == 0)
        return GNTST_okay;
    GrantSlot const slot{operation.host_addr, (operation.flags & GNTMAP_contains_pte) != 0};
    auto const installed = install_grant_mapping(mapper.domain(), mapper, slot, entry_for(frame, operation.flags));
    return installed ? GNTST_okay : GNTST_general_error;
}

} // namespace

void end_uses(GrantMapping& mapping, std::uint32_t uses)
{
    DomainRef const granter = find_domain(mapping.granter);
    for (std::uint32_t const kind : {std::uint32_t{GNTMAP_host_map}, std::uint32_t{GNTMAP_device_map}})
    {
        if ((uses & kind) == 0)
            continue;
        // Its frame has a reference yet, so the granter is still there, at least as a shell.
        if (granter && granter->grants != nullptr)
            granter->grants->release(mapping.ref, use_of(kind, mapping.read_only));
        put_reference(mapping.frame, mapping.read_only);
    }
    mapping.uses &= ~uses;
}

GrantStatus map(Vcpu& mapper, abi::gnttab_map_grant_ref& operation)
{
    if ((operation.flags & kUses) == 0)
        return GNTST_general_error;
    if ((operation.flags & GNTMAP_contains_pte) != 0 && operation.host_addr % 8 != 0)
        return GNTST_general_error;
    Domain& domain = mapper.domain();
    DomainRef const granter = find_domain(domain, DomainId{operation.dom});
    if (!granter || granter->grants == nullptr)
        return GNTST_bad_domain;

    GrantMapping mapping;
    mapping.ref = GrantRef{operation.ref};
    mapping.granter = granter->id();
    mapping.read_only = (operation.flags & GNTMAP_readonly) != 0;
    mapping.contains_pte = (operation.flags & GNTMAP_contains_pte) != 0;
    auto const handle = domain.grants->new_handle(mapping);
    if (!handle)
        return handle_error(handle.error());
    GrantStatus status = acquire_uses(*granter->grants, domain.id(), operation.flags, mapping);
    if (status == GNTST_okay)
    {
        status = install(mapper, operation, mapping.frame);
        if (status != GNTST_okay)
            end_uses(mapping, mapping.uses);
    }
    if (status == GNTST_okay)
    {
        operation.handle = *handle;
        operation.dev_bus_addr = to_address(mapping.frame).raw();
    }
    domain.grants->settle_handle(*handle, mapping);
    return status;
}

GrantStatus begin_unmap(Vcpu& mapper, abi::gnttab_unmap_grant_ref const& operation, PendingUnmap& pending)
{
    GrantTable& own = *mapper.domain().grants;
    if (!own.claim_handle(operation.handle, pending.mapping))
        return GNTST_bad_handle;
    pending.handle = operation.handle;
    GrantMapping const& mapping = pending.mapping;
    GrantStatus status = GNTST_okay;
    std::uint32_t ending = 0;
    if (operation.dev_bus_addr != 0 && (mapping.uses & GNTMAP_device_map) != 0)
    {
        ending |= GNTMAP_device_map;
        if (operation.dev_bus_addr != to_address(mapping.frame).raw())
            status = GNTST_general_error;
    }
    if (status == GNTST_okay && operation.host_addr != 0 && (mapping.uses & GNTMAP_host_map) != 0)
    {
        ending |= GNTMAP_host_map;
        GrantSlot const slot{operation.host_addr, mapping.contains_pte};
        if (!remove_grant_mapping(mapper.domain(), mapper, slot, mapping.frame, mapping.read_only))
            status = GNTST_general_error;
    }
    if (status != GNTST_okay)
        own.settle_handle(operation.handle, mapping);
    pending.ending = ending;
    pending.address = mapping.contains_pte ? 0 : operation.host_addr;
    return status;
}

GrantStatus begin_replace(Vcpu& mapper, abi::gnttab_unmap_and_replace const& operation, PendingUnmap& pending)
{
    GrantTable& own = *mapper.domain().grants;
    if (!own.claim_handle(operation.handle, pending.mapping))
        return GNTST_bad_handle;
    pending.handle = operation.handle;
    pending.ending = GNTMAP_host_map;
    GrantMapping const& mapping = pending.mapping;
    bool const replaced =
        (mapping.uses & GNTMAP_host_map) != 0 && !mapping.contains_pte &&
        static_cast<bool>(replace_grant_mapping(mapper.domain(), mapper, GrantSlot{operation.host_addr, false},
                                                mapping.frame, mapping.read_only, operation.new_addr));
    if (replaced)
        return GNTST_okay;
    own.settle_handle(operation.handle, mapping);
    return GNTST_general_error;
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
    for (PendingUnmap& one : pending)
    {
        end_uses(one.mapping, one.ending);
        domain.grants->settle_handle(one.handle, one.mapping);
    }
}

} // namespace hv::grant
