// SPDX-License-Identifier: MIT
// memory_op: reports, memory maps, and frames of the hypervisor that the tools map.
#include <hypercalls/handlers/memory.hpp>

#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>

namespace hv::handlers::memory_op
{

CallResult maximum_ram_page(Caller&)
{
    return static_cast<std::int64_t>(port::max_mfn().raw() - 1);
}

CallResult current_reservation(Caller& caller, abi::domid_t const& id)
{
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, id, subject));
    return static_cast<std::int64_t>(subject->pages.count);
}

CallResult maximum_reservation(Caller& caller, abi::domid_t const& id)
{
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, id, subject));
    return static_cast<std::int64_t>(subject->max_pages);
}

CallResult maximum_gpfn(Caller& caller, abi::domid_t const& id)
{
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, id, subject));
    return static_cast<std::int64_t>(load_relaxed(subject->shared_info->arch.max_pfn)) - 1;
}

CallResult machphys_mfn_list(Caller&, abi::xen_machphys_mfn_list& args)
{
    GuestOut<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    std::uint32_t const chunks = port::m2p_chunks();
    args.nr_extents = args.max_extents < chunks ? args.max_extents : chunks;
    for (std::uint32_t i = 0; i < args.nr_extents; ++i)
        HV_TRY_VOID(list.write(port::m2p_chunk_frame(i).raw(), i));
    return std::int64_t{0};
}

CallResult machphys_mapping(Caller&, abi::xen_machphys_mapping& args)
{
    constexpr std::uint64_t kStart = 0xffff800000000000; // MACH2PHYS_VIRT_START
    constexpr std::uint64_t kEnd = 0xffff804000000000;
    args.v_start = kStart;
    args.v_end = kEnd;
    args.max_mfn = port::max_mfn().raw() - 1;
    return std::int64_t{0};
}

namespace
{

CallResult give_map(std::span<abi::e820entry const> map, abi::xen_memory_map& args)
{
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.buffer.p);
    std::size_t const count = args.nr_entries < map.size() ? args.nr_entries : map.size();
    if (!GuestOut<abi::e820entry>(address).write_array(map.data(), 0, count))
        return Errno::Fault;
    args.nr_entries = static_cast<std::uint32_t>(count);
    return std::int64_t{0};
}

} // namespace

CallResult memory_map(Caller& caller, abi::xen_memory_map& args)
{
    Guard guard(caller.domain().page_lock);
    HV_REQUIRE(!caller.domain().memory_map.empty(), Errno::NoSys);
    return give_map(caller.domain().memory_map, args);
}

CallResult machine_memory_map(Caller&, abi::xen_memory_map& args)
{
    std::span<abi::e820entry const> const map = port::machine_memory_map();
    HV_REQUIRE(args.nr_entries > map.size(), Errno::Inval);
    return give_map(map, args);
}

CallResult set_memory_map(Caller& caller, abi::xen_foreign_memory_map const& args)
{
    constexpr std::uint32_t kMaxEntries = 128; // E820MAX of the ABI
    HV_REQUIRE(args.map.nr_entries <= kMaxEntries, Errno::Inval);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    std::size_t const bytes = args.map.nr_entries * sizeof(abi::e820entry);
    auto* entries = static_cast<abi::e820entry*>(heap_allocate(bytes));
    HV_REQUIRE(entries != nullptr, Errno::NoMem);
    if (!port::copy_from_guest(entries, GuestVirtual{reinterpret_cast<std::uint64_t>(args.map.buffer.p)}, bytes))
    {
        heap_free(entries, bytes);
        return Errno::Fault;
    }
    std::span<abi::e820entry> old(entries, args.map.nr_entries);
    {
        Guard guard(subject->page_lock);
        std::swap(old, subject->memory_map);
    }
    heap_free(old.data(), old.size_bytes());
    return std::int64_t{0};
}

CallResult get_vnumainfo(Caller&, std::uint64_t)
{
    return Errno::OpNotSupp;
}

CallResult reserved_device_memory_map(Caller&, abi::xen_reserved_device_memory_map& args)
{
    args.nr_entries = 0;
    return std::int64_t{0};
}

CallResult acquire_resource(Caller& caller, abi::xen_mem_acquire_resource& args)
{
    constexpr std::uint32_t kMaxFrames = 32;
    HV_REQUIRE(args.type == XENMEM_resource_grant_table, Errno::OpNotSupp);
    HV_REQUIRE(args.id <= XENMEM_resource_grant_table_id_status && args.pad == 0, Errno::Inval);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.frame_list.p);
    if (address == 0)
    {
        HV_REQUIRE(args.nr_frames == 0, Errno::Inval);
        args.nr_frames = grant_frame_limit(*subject, args.id);
        return std::int64_t{0};
    }
    HV_REQUIRE(args.nr_frames <= kMaxFrames && args.frame < 0x10000, Errno::Inval);
    GuestOut<std::uint64_t> const list(address);
    for (std::uint32_t i = 0; i < args.nr_frames; ++i)
    {
        Mfn const frame = HV_TRY(grant_frame(*subject, args.id, static_cast<std::uint32_t>(args.frame) + i));
        HV_TRY_VOID(list.write(subject->expose(frame).raw(), i));
    }
    return std::int64_t{0};
}

} // namespace hv::handlers::memory_op
