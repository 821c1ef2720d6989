// SPDX-License-Identifier: MIT
// The steps of the hypercall fuzzer: calls through the table as guests make them, and the same work in small budgets,
// as large domains meet it.
#include "world.hpp"

#include <core/domain/context.hpp>
#include <core/domain/roots.hpp>
#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/deferred.hpp>

namespace hv::fuzz
{
namespace
{

using Input = FuzzedDataProvider;

std::uint64_t slot(World& world, Input& input, Player& player)
{
    return (world.some_frame(input, player).raw() << kPageShift) | (world.some_index(input) * 8);
}

std::int32_t units(Input& input)
{
    return input.ConsumeIntegralInRange<std::int32_t>(1, 40);
}

// ---- page tables through the table of calls

void update_entries(World& world, Input& input, Player& player)
{
    auto const count = input.ConsumeIntegralInRange<unsigned>(1, 4);
    std::uint64_t const list = host::guest_allocate(count * sizeof(abi::mmu_update));
    auto* const requests = static_cast<abi::mmu_update*>(host::guest_data(list));
    for (unsigned i = 0; i < count; ++i)
    {
        auto const command = input.ConsumeIntegral<std::uint8_t>();
        requests[i] = {slot(world, input, player) | (command >= 192 ? command & 7u : 0u),
                       world.some_entry(input, player)};
    }
    player.guest.call(__HYPERVISOR_mmu_update, list, count, 0, world.some_foreign(input));
}

void update_address(World& world, Input& input, Player& player)
{
    std::uint64_t const address = world.some_address(input);
    std::uint64_t const entry = world.some_entry(input, player);
    std::uint64_t const flush = input.ConsumeIntegralInRange<std::uint64_t>(0, 6);
    if (input.ConsumeBool())
        player.guest.call(__HYPERVISOR_update_va_mapping, address, entry, flush);
    else
        player.guest.call(__HYPERVISOR_update_va_mapping_otherdomain, address, entry, flush, world.some_foreign(input));
}

void extended_operation(World& world, Input& input, Player& player)
{
    static constexpr unsigned kCommands[] = {
        MMUEXT_PIN_L1_TABLE,  MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,     MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,
        MMUEXT_UNPIN_TABLE,   MMUEXT_NEW_BASEPTR,  MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE,   MMUEXT_COPY_PAGE,
        MMUEXT_TLB_FLUSH_ALL, MMUEXT_SET_LDT,      MMUEXT_INVLPG_LOCAL,     MMUEXT_FLUSH_CACHE,  MMUEXT_MARK_SUPER};
    unsigned const command = kCommands[input.ConsumeIntegral<std::uint8_t>() % std::size(kCommands)];
    if (command == MMUEXT_SET_LDT)
    {
        player.guest.extended(command, world.some_address(input), input.ConsumeIntegral<std::uint16_t>());
        return;
    }
    std::uint64_t const first = world.some_frame(input, player).raw();
    player.guest.extended(command, first, world.some_frame(input, player).raw(), world.some_foreign(input));
}

void descriptors(World& world, Input& input, Player& player)
{
    static constexpr std::uint64_t kDescriptors[] = {0, 0x00affb000000ffff, 0x0000890000000067, 0x00cff3000000ffff};
    if (input.ConsumeBool())
    {
        player.guest.call(__HYPERVISOR_update_descriptor, slot(world, input, player),
                          kDescriptors[input.ConsumeIntegral<std::uint8_t>() % std::size(kDescriptors)]);
        return;
    }
    auto* const frames = host::guest_new<std::array<std::uint64_t, 14>>();
    for (unsigned i = 0; i < 3; ++i)
        (*frames)[i] = world.some_frame(input, player).raw();
    player.guest.call(__HYPERVISOR_set_gdt, host::guest_address(frames),
                      input.ConsumeIntegralInRange<unsigned>(0, 1536));
}

void fault_in_ldt(World&, Input& input, Player& player)
{
    (void)map_ldt_page(player.guest.vcpu(), input.ConsumeIntegralInRange<unsigned>(0, 16));
}

// The writable-page-table path: an emulated store to an entry that the emulator has read.
void store_if(World& world, Input& input, Player& player)
{
    Domain& domain = player.domain;
    std::uint64_t const address = world.some_address(input);
    std::uint64_t const value = world.some_entry(input, player);
    bool const stale = input.ConsumeIntegral<std::uint8_t>() < 30;
    Budget budget = Budget::unlimited();
    Guard guard(domain.mmu_lock);
    if (!finish_deferred(domain, budget))
        return;
    auto const leaf = find_leaf(player.guest.vcpu().pv.kernel_root, address);
    if (leaf)
        (void)update_leaf_if({domain, domain.id()}, leaf.value().table, leaf.value().index,
                             leaf.value().entry ^ (stale ? pte::kDirty : 0), value)
            .error();
}

// ---- the same in small budgets

void pin_in_steps(World& world, Input& input, Player& player)
{
    Domain& domain = player.domain;
    Mfn const frame = world.some_frame(input, player);
    auto const level = static_cast<FrameType>(input.ConsumeIntegralInRange<unsigned>(1, 4));
    FrameInfo* const info = frame_info(frame);
    Budget budget(units(input));
    Guard guard(domain.mmu_lock);
    if (!finish_deferred(domain, budget) || info == nullptr || info->owner() != domain.id() || info->pinned())
        return;
    if (get_table(domain, frame, level, budget))
        fetch_or(info->usage, FrameInfo::kPinned);
}

void unpin_in_steps(World& world, Input& input, Player& player)
{
    Domain& domain = player.domain;
    Mfn const frame = world.some_frame(input, player);
    FrameInfo* const info = frame_info(frame);
    Budget budget(units(input));
    Guard guard(domain.mmu_lock);
    if (!finish_deferred(domain, budget) || info == nullptr || info->owner() != domain.id() || !info->pinned())
        return;
    fetch_and(info->usage, ~FrameInfo::kPinned);
    (void)put_table(domain, frame, info->type(), budget).error();
}

void update_in_steps(World& world, Input& input, Player& player)
{
    Domain& domain = player.domain;
    Mfn const table = world.some_frame(input, player);
    unsigned const index = world.some_index(input);
    std::uint64_t const value = world.some_entry(input, player);
    FrameInfo const* const info = frame_info(table);
    Budget budget(units(input));
    Guard guard(domain.mmu_lock);
    if (!finish_deferred(domain, budget) || info == nullptr || info->owner() != domain.id() || !info->validated() ||
        info->type() < FrameType::L1 || info->type() > FrameType::L4)
        return;
    (void)update_entry({domain, domain.id()}, table, info->type(), index, value,
                       input.ConsumeBool() ? UpdateKind::Normal : UpdateKind::PreserveAccessedDirty, budget)
        .error();
}

void change_root_in_steps(World& world, Input& input, Player& player)
{
    Budget budget(units(input));
    Mfn const root = world.some_frame(input, player);
    if (input.ConsumeBool())
        (void)change_kernel_root(player.guest.vcpu(), root, budget).error();
    else
        (void)change_user_root(player.guest.vcpu(), root, budget).error();
}

void set_context_in_steps(World& world, Input& input, Player& player)
{
    Vcpu& vcpu = *player.domain.vcpus[1]; // runs nowhere
    Budget budget(units(input));
    if (vcpu.initialised)
    {
        (void)reset_vcpu(vcpu, budget).error();
        return;
    }
    auto* const context = heap_new<abi::vcpu_guest_context>();
    context->flags = input.ConsumeBool() ? VGCF_in_kernel : 0;
    context->ctrlreg[3] = world.some_frame(input, player).raw() << kPageShift;
    context->ctrlreg[1] = input.ConsumeBool() ? world.some_frame(input, player).raw() << kPageShift : 0;
    context->gdt_ents = input.ConsumeIntegralInRange<unsigned>(0, 600);
    context->gdt_frames[0] = world.some_frame(input, player).raw();
    context->gdt_frames[1] = world.some_frame(input, player).raw();
    (void)set_vcpu_context(vcpu, *context, budget).error();
    heap_delete(context);
}

void destroy_in_steps(World& world, Input& input, Player&)
{
    Domain& domain = world.player(input.ConsumeIntegralInRange<unsigned>(1, 2)).domain;
    for (unsigned steps = input.ConsumeIntegralInRange<unsigned>(1, 8); steps > 0; --steps)
    {
        Budget budget(units(input));
        (void)destroy_domain(domain, budget).error();
    }
}

// ---- memory

template<typename T>
std::uint64_t copy_in_guest(T const& value)
{
    return host::guest_address(host::guest_new<T>(value));
}

void reservation(World& world, Input& input, Player& player)
{
    static constexpr unsigned kOperations[] = {XENMEM_decrease_reservation, XENMEM_populate_physmap,
                                               XENMEM_increase_reservation, XENMEM_decrease_reservation};
    auto* const list = host::guest_new<std::array<std::uint64_t, 3>>();
    for (auto& frame : *list)
        frame = world.some_frame(input, player).raw();
    abi::xen_memory_reservation args{};
    args.extent_start.p = list->data();
    args.nr_extents = input.ConsumeIntegralInRange<unsigned>(0, 3);
    args.extent_order = input.ConsumeIntegral<std::uint8_t>() % 3;
    args.domid = static_cast<abi::domid_t>(world.some_foreign(input));
    unsigned const operation = kOperations[input.ConsumeIntegral<std::uint8_t>() % std::size(kOperations)];
    player.guest.call(__HYPERVISOR_memory_op, operation, copy_in_guest(args));
    if (operation == XENMEM_populate_physmap && args.extent_order == 0)
        player.pool[input.ConsumeIntegral<std::uint8_t>() % 10] = Mfn{(*list)[0]};
}

void exchange(World& world, Input& input, Player& player)
{
    auto* const in = host::guest_new<std::array<std::uint64_t, 4>>();
    auto* const out = host::guest_new<std::array<std::uint64_t, 4>>();
    for (auto& frame : *in)
        frame = world.some_frame(input, player).raw();
    abi::xen_memory_exchange args{};
    args.in.extent_start.p = in->data();
    args.out.extent_start.p = out->data();
    args.in.domid = args.out.domid = DOMID_SELF;
    args.in.extent_order = input.ConsumeIntegral<std::uint8_t>() % 3;
    args.out.extent_order = input.ConsumeIntegral<std::uint8_t>() % 3;
    args.in.nr_extents = 4u >> args.in.extent_order;
    args.out.nr_extents = 4u >> args.out.extent_order;
    args.out.mem_flags = input.ConsumeBool() ? 0 : XENMEMF_address_bits(input.ConsumeIntegral<std::uint8_t>() % 32);
    if (player.guest.call(__HYPERVISOR_memory_op, XENMEM_exchange, copy_in_guest(args)) == 0)
        player.pool[input.ConsumeIntegral<std::uint8_t>() % 10] = Mfn{(*out)[0]};
}

void register_info(World& world, Input& input, Player& player)
{
    abi::vcpu_register_vcpu_info args{};
    args.mfn = world.some_frame(input, player).raw();
    args.offset = input.ConsumeIntegral<std::uint16_t>();
    player.guest.call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, input.ConsumeIntegral<std::uint8_t>() % 3,
                      copy_in_guest(args));
}

// Any row of memory_op with any argument block.
constexpr unsigned kMemoryRows[] = {
#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) number,
#include <hypercalls/table/memory_op.def>
#undef HV_SUBOP
};

void any_memory_row(World&, Input& input, Player& player)
{
    std::uint64_t const block = host::guest_allocate(256);
    unsigned const row = kMemoryRows[input.ConsumeIntegral<std::uint8_t>() % std::size(kMemoryRows)];
    input.ConsumeData(host::guest_data(block), 64);
    player.guest.call(__HYPERVISOR_memory_op, row, block);
}

// Rows of event_channel_op: ports, control blocks among the pool's frames, resets in the middle of it all.
constexpr unsigned kEventRows[] = {
#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) number,
#include <hypercalls/table/event_channel_op.def>
#undef HV_SUBOP
};

void any_event_row(World& world, Input& input, Player& player)
{
    unsigned const row = kEventRows[input.ConsumeIntegral<std::uint8_t>() % std::size(kEventRows)];
    std::uint64_t const block = host::guest_allocate(64);
    auto* const words = static_cast<std::uint32_t*>(host::guest_data(block));
    for (unsigned i = 0; i < 8; ++i) // small numbers: ports and vCPUs that exist
        words[i] = input.ConsumeIntegral<std::uint8_t>() % 8;
    if (row == EVTCHNOP_init_control)
        *reinterpret_cast<abi::evtchn_init_control*>(words) = {
            world.some_frame(input, player).raw(), words[2] * 8, words[3] % 3, 0, {}};
    else if (row == EVTCHNOP_expand_array)
        *reinterpret_cast<abi::evtchn_expand_array*>(words) = {world.some_frame(input, player).raw()};
    else if (row == EVTCHNOP_bind_interdomain || row == EVTCHNOP_alloc_unbound || row == EVTCHNOP_reset)
    {
        auto* const domains = static_cast<std::uint16_t*>(host::guest_data(block));
        domains[0] = world.some_player(input).domain.id().raw();
        domains[1] = world.some_player(input).domain.id().raw();
    }
    player.guest.call(__HYPERVISOR_event_channel_op, row, block);
}

// ---- grants

// Versions, growth, swaps and dumps between the uses.
void any_grant_row(World& world, Input& input, Player& player)
{
    static constexpr unsigned kRows[] = {GNTTABOP_setup_table,    GNTTABOP_set_version, GNTTABOP_get_status_frames,
                                         GNTTABOP_swap_grant_ref, GNTTABOP_query_size,  GNTTABOP_copy};
    unsigned const row = kRows[input.ConsumeIntegral<std::uint8_t>() % std::size(kRows)];
    std::uint64_t const block = host::guest_allocate(64);
    std::uint64_t const list = host::guest_allocate(64 * 8);
    auto* const words = static_cast<std::uint32_t*>(host::guest_data(block));
    for (unsigned i = 0; i < 8; ++i)
        words[i] = input.ConsumeIntegral<std::uint8_t>() % 16;
    if (row == GNTTABOP_setup_table)
    {
        auto& args = *reinterpret_cast<abi::gnttab_setup_table*>(words);
        args.dom = DOMID_SELF;
        args.frame_list.p = reinterpret_cast<std::uint64_t*>(list);
    }
    else if (row == GNTTABOP_set_version)
        words[0] = 1 + words[0] % 2;
    else if (row == GNTTABOP_copy)
    {
        auto& args = *reinterpret_cast<abi::gnttab_copy*>(words);
        args.source.u.ref = 8 + words[0] % 6;
        args.source.domid = world.some_player(input).domain.id().raw();
        args.dest.u.gmfn = world.some_frame(input, player).raw();
        args.dest.domid = DOMID_SELF;
        args.flags = GNTCOPY_source_gref;
        args.len = 8; // of a table it would leave entries that nobody checked
    }
    player.guest.call(__HYPERVISOR_grant_table_op, row, block, 1);
}

void write_grant(World& world, Input& input, Player& player)
{
    auto* const entries = reinterpret_cast<abi::grant_entry_v1*>(port::frame_data(Mfn{player.shared_grants}));
    std::uint16_t const flags = input.ConsumeBool() ? GTF_permit_access : GTF_permit_access | GTF_readonly;
    entries[8 + input.ConsumeIntegral<std::uint8_t>() % 6] = {
        flags, world.some_player(input).domain.id().raw(),
        static_cast<std::uint32_t>(world.some_frame(input, player).raw())};
}

std::uint64_t grant_slot(World& world, Input& input, Player& player, bool contains_pte)
{
    return contains_pte ? slot(world, input, player) : world.some_address(input);
}

void map_grant(World& world, Input& input, Player& player)
{
    abi::gnttab_map_grant_ref args{};
    args.flags = input.ConsumeIntegral<std::uint8_t>() & 0x1f;
    args.ref = 8 + input.ConsumeIntegral<std::uint8_t>() % 6;
    args.dom = world.some_player(input).domain.id().raw();
    args.host_addr = grant_slot(world, input, player, (args.flags & GNTMAP_contains_pte) != 0);
    player.guest.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, copy_in_guest(args), 1);
}

void unmap_grant(World& world, Input& input, Player& player)
{
    std::uint32_t const handle = input.ConsumeIntegral<std::uint8_t>() % 6;
    std::uint64_t const address = grant_slot(world, input, player, input.ConsumeBool());
    if (input.ConsumeBool())
    {
        abi::gnttab_unmap_grant_ref args{};
        args.handle = handle;
        args.host_addr = address;
        args.dev_bus_addr = input.ConsumeBool() ? world.some_frame(input, player).raw() << kPageShift : 0;
        player.guest.call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, copy_in_guest(args), 1);
        return;
    }
    abi::gnttab_unmap_and_replace args{};
    args.handle = handle;
    args.host_addr = address;
    args.new_addr = grant_slot(world, input, player, input.ConsumeBool());
    player.guest.call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, copy_in_guest(args), 1);
}

using Step = void (*)(World&, Input&, Player&);
constexpr Step kSteps[] = {update_entries,
                           update_entries,
                           update_entries,
                           update_address,
                           extended_operation,
                           extended_operation,
                           descriptors,
                           fault_in_ldt,
                           store_if,
                           pin_in_steps,
                           unpin_in_steps,
                           update_in_steps,
                           change_root_in_steps,
                           set_context_in_steps,
                           destroy_in_steps,
                           reservation,
                           exchange,
                           register_info,
                           write_grant,
                           map_grant,
                           map_grant,
                           unmap_grant,
                           any_memory_row,
                           any_event_row,
                           any_event_row,
                           any_grant_row};

} // namespace

void play_step(World& world, FuzzedDataProvider& input)
{
    Player& player = world.some_player(input);
    Step const step = kSteps[input.ConsumeIntegral<std::uint8_t>() % std::size(kSteps)];
    if (!player.may_call())
        return;
    host::make_current(host::kToolCpu, &player.guest.vcpu());
    step(world, input, player);
}

} // namespace hv::fuzz
