// SPDX-License-Identifier: MIT
// Mapping lines and messages into domains, and what the domains do with them.
#include <core/irq/pirq.hpp>

#include <core/evtchn/event_channels.hpp>
#include <core/irq/pirq_table.hpp>
#include <core/mm/allocator.hpp>
#include <lib/log.hpp>

#include <array>

namespace hv
{
namespace
{

constexpr std::uint32_t kMaxGsis = 256;

constinit SpinLock mapping_lock{LockRank::PirqMapping};
constinit Line* gsi_lines[kMaxGsis]{}; // made at first use, never freed; mapping_lock

std::uint32_t gsi_end()
{
    std::uint32_t const limit = device_machine().gsi_limit();
    return limit < kMaxGsis ? limit : kMaxGsis;
}

Result<Line*> gsi_line(Irq gsi) HV_REQUIRES(mapping_lock)
{
    HV_REQUIRE(gsi.raw() < gsi_end(), Errno::Inval);
    Line*& line = gsi_lines[gsi.raw()];
    if (line != nullptr)
        return line;
    LineMode const mode = device_machine().firmware_mode(gsi);
    Line* const made = heap_new<Line>(gsi, mode);
    HV_REQUIRE(made != nullptr, Errno::NoMem);
    // A line that we use ourselves can be mapped, as kernels do with every ISA line, but never bound.
    if (!device_machine().gsi_is_ours(gsi))
    {
        if (auto const connected = device_machine().connect_gsi(*made, gsi, mode); !connected)
        {
            heap_delete(made);
            return connected.error();
        }
        made->connected = true;
    }
    line = made;
    return made;
}

// The domain's table, made when it is missing; Srch when the domain is ending.
Result<PirqTable*> table_of(Domain& domain) HV_REQUIRES(mapping_lock)
{
    HV_REQUIRE(load_acquire(domain.life) < Life::Dying, Errno::Srch);
    if (domain.pirqs != nullptr)
        return domain.pirqs;
    auto* const made = heap_new<PirqTable>(domain);
    HV_REQUIRE(made != nullptr, Errno::NoMem);
    if (!made->create())
    {
        heap_delete(made);
        return Errno::NoMem;
    }
    store_release(domain.pirqs, made);
    return made;
}

Result<std::uint32_t> choose_number(PirqTable& table, std::int32_t wanted, std::uint32_t from, std::uint32_t count)
    HV_REQUIRES(table.lock)
{
    if (wanted < 0)
    {
        std::uint32_t const number = table.find_free(from, count);
        HV_REQUIRE(number < kMaxPirqs, Errno::NoSpc);
        return number;
    }
    auto const number = static_cast<std::uint32_t>(wanted);
    HV_REQUIRE(number < kMaxPirqs && count <= kMaxPirqs - number, Errno::Inval);
    for (std::uint32_t i = 0; i < count; ++i)
        HV_REQUIRE(table.is_free(number + i), Errno::Exist);
    return number;
}

// The message is some domain's already: found by walking its function's lines.
struct MessageList
{
    static constexpr std::uint32_t kCapacity = 2048;
    Line* lines[kCapacity];
    std::uint32_t count;

    [[nodiscard]] bool has(MsiSource const& source) const
    {
        for (std::uint32_t i = 0; i < count; ++i)
        {
            MsiSource const& other = lines[i]->source;
            if (other.function == source.function && other.capability == source.capability &&
                other.entry == source.entry)
                return true;
        }
        return false;
    }
    void remove(Line const* line)
    {
        for (std::uint32_t i = 0; i < count; ++i)
            if (lines[i] == line)
            {
                lines[i] = lines[--count];
                return;
            }
    }
};
constinit MessageList messages{}; // mapping_lock

using Group = std::array<Line*, kMaxMessages>;

void free_lines(Group const& group, std::uint32_t count)
{
    for (std::uint32_t i = 0; i < count; ++i)
        heap_delete(group[i]);
}

void end_line(Line& line) HV_REQUIRES(mapping_lock)
{
    messages.remove(&line);
    device_machine().disconnect_msi(line);
    heap_delete(&line);
}

// Lines of a group, connected to vectors and programmed into the function, masked.
Result<void> make_group(MsiSource const& source, Group& group, std::uint32_t count) HV_REQUIRES(mapping_lock)
{
    HV_REQUIRE(!messages.has(source), Errno::Busy);
    HV_REQUIRE(count <= MessageList::kCapacity - messages.count, Errno::NoSpc);
    for (std::uint32_t i = 0; i < count; ++i)
    {
        MsiSource one = source;
        one.index = static_cast<std::uint8_t>(i);
        group[i] = heap_new<Line>(one);
        if (group[i] == nullptr)
        {
            free_lines(group, i);
            return Errno::NoMem;
        }
    }
    auto const message = device_machine().connect_msi({group.data(), count});
    if (!message)
    {
        free_lines(group, count);
        return message.error();
    }
    for (std::uint32_t i = 0; i < count; ++i)
    {
        group[i]->source.message = {message.value().address, message.value().data + i};
        group[i]->connected = true;
        messages.lines[messages.count++] = group[i];
        msi_program(group[i]->source, count);
    }
    return {};
}

// Takes a mapping away from its line and table; a message's line ends with it.
void drop(PirqTable& table, Pirq& pirq) HV_REQUIRES(mapping_lock)
{
    Line* const line = pirq.line;
    if (line != nullptr)
        line_remove_user(*line, pirq);
    {
        Guard guard(table.lock);
        table.remove(pirq);
    }
    if (line != nullptr && line->kind == Line::Kind::Message)
        end_line(*line);
}

// A number known to be mapped; slots change only under mapping_lock.
Pirq& mapped_at(PirqTable& table, std::uint32_t number) HV_REQUIRES(mapping_lock)
{
    Guard guard(table.lock);
    Pirq* const mapped = table.find(number);
    HV_ASSERT(mapped != nullptr);
    return *mapped;
}

// Every mapping of a line learns whether it needs ends of interrupt.
void publish_need(Line& line) HV_REQUIRES(mapping_lock)
{
    for (Pirq* user = line.users; user != nullptr; user = user->next) // changes only under mapping_lock
    {
        PirqTable& table = *user->domain.pirqs;
        Guard guard(table.lock);
        table.note_need(user->number, needs_end(line));
    }
}

Result<void> bind(Domain& domain, std::uint32_t number, EvtchnPort port, bool will_share)
{
    PirqTable* const table = load_acquire(domain.pirqs);
    HV_REQUIRE(table != nullptr, Errno::Inval);
    Guard guard(table->lock);
    Pirq* const mapped = table->find(number);
    HV_REQUIRE(mapped != nullptr && mapped->line != nullptr, Errno::Inval);
    return line_bind(*mapped, port, will_share);
}

void unbind(Domain& domain, std::uint32_t number, EvtchnPort port)
{
    PirqTable* const table = load_acquire(domain.pirqs);
    if (table == nullptr)
        return;
    Guard guard(table->lock);
    // The number may have been unmapped, and mapped and bound anew, since the port was bound to it.
    Pirq* const mapped = table->find(number);
    if (mapped != nullptr && mapped->line != nullptr && mapped->port == port)
        line_unbind(*mapped);
}

} // namespace

void pirqs_start()
{
    set_pirq_hooks({.bind = bind, .unbind = unbind});
}

Result<std::uint32_t> map_gsi_pirq(Domain& domain, Irq gsi, std::int32_t wanted)
{
    Guard guard(mapping_lock);
    Line* const line = HV_TRY(gsi_line(gsi));
    PirqTable& table = *HV_TRY(table_of(domain));
    Pirq* made = nullptr;
    {
        Guard table_guard(table.lock);
        for (Pirq const* user = line->users; user != nullptr; user = user->next)
            if (&user->domain == &domain && (wanted < 0 || user->number == static_cast<std::uint32_t>(wanted)))
                return user->number;
        bool const own_number = wanted < 0 && table.is_free(gsi.raw());
        std::int32_t const asked = own_number ? static_cast<std::int32_t>(gsi.raw()) : wanted;
        std::uint32_t const number = HV_TRY(choose_number(table, asked, gsi_end(), 1));
        made = table.add(number, line);
        HV_REQUIRE(made != nullptr, Errno::NoMem);
        table.note_need(number, needs_end(*line));
    }
    line_add_user(*line, *made);
    return made->number;
}

Result<std::uint32_t> map_msi_pirq(Domain& domain, MsiRequest request, std::int32_t wanted)
{
    HV_REQUIRE(request.count >= 1 && request.count <= kMaxMessages && (request.count & (request.count - 1)) == 0,
               Errno::Inval);
    Guard guard(mapping_lock);
    PirqTable& table = *HV_TRY(table_of(domain));
    MsiSource const source = HV_TRY(msi_locate(request));
    std::uint32_t first = 0;
    {
        Guard table_guard(table.lock);
        first = HV_TRY(choose_number(table, wanted, gsi_end(), request.count));
    }
    Group group{};
    HV_TRY_VOID(make_group(source, group, request.count));
    std::uint32_t made = 0;
    for (; made < request.count; ++made)
    {
        Guard table_guard(table.lock);
        Pirq* const one = table.add(first + made, group[made]);
        if (one == nullptr)
            break;
        one->group = made == 0 ? request.count : 0;
        line_add_user(*group[made], *one);
    }
    if (made == request.count)
        return first;
    while (request.count > made) // those without a mapping, from the last one back
        end_line(*group[--request.count]);
    while (made > 0)
        drop(table, mapped_at(table, first + --made));
    return Errno::NoMem;
}

Result<void> unmap_pirq(Domain& domain, std::uint32_t number)
{
    Guard guard(mapping_lock);
    PirqTable* const table = domain.pirqs;
    HV_REQUIRE(table != nullptr, Errno::Inval);
    std::uint32_t count = 0;
    {
        Guard table_guard(table->lock);
        Pirq const* const mapped = table->find(number);
        HV_REQUIRE(mapped != nullptr && mapped->group != 0, Errno::Inval);
        count = mapped->group;
    }
    for (std::uint32_t i = 0; i < count; ++i)
        drop(*table, mapped_at(*table, number + i));
    return {};
}

Result<std::uint32_t> reserve_pirq(Domain& domain)
{
    Guard guard(mapping_lock);
    PirqTable& table = *HV_TRY(table_of(domain));
    Guard table_guard(table.lock);
    std::uint32_t const number = HV_TRY(choose_number(table, -1, gsi_end(), 1));
    HV_REQUIRE(table.add(number, nullptr) != nullptr, Errno::NoMem);
    return number;
}

Result<void> setup_gsi(Irq gsi, LineMode mode)
{
    Guard guard(mapping_lock);
    Line* const line = HV_TRY(gsi_line(gsi));
    HV_TRY_VOID(line_set_mode(*line, mode));
    publish_need(*line);
    return {};
}

Result<void> restore_messages(PciFunction function)
{
    Guard guard(mapping_lock);
    std::uint32_t enabled = 0;
    for (std::uint32_t i = 0; i < messages.count; ++i)
        enabled += messages.lines[i]->source.function == function && messages.lines[i]->source.entry == nullptr ? 1 : 0;
    for (std::uint32_t i = 0; i < messages.count; ++i)
    {
        Line& line = *messages.lines[i];
        if (!(line.source.function == function))
            continue;
        Guard line_guard(line.lock);
        msi_program(line.source, enabled != 0 ? enabled : 1);
    }
    for (std::uint32_t i = 0; i < messages.count; ++i)
    {
        Line& line = *messages.lines[i];
        Guard line_guard(line.lock);
        if (line.source.function == function && line.unmasked)
            msi_set_mask(line.source, false);
    }
    return {};
}

bool has_messages(PciFunction function)
{
    Guard guard(mapping_lock);
    for (std::uint32_t i = 0; i < messages.count; ++i)
        if (messages.lines[i]->source.function == function)
            return true;
    return false;
}

Result<void> end_of_interrupt(Domain& domain, std::uint32_t number)
{
    PirqTable* const table = load_acquire(domain.pirqs);
    HV_REQUIRE(table != nullptr, Errno::Inval);
    EvtchnPort port{};
    {
        Guard guard(table->lock);
        Pirq* const mapped = table->find(number);
        HV_REQUIRE(mapped != nullptr && mapped->line != nullptr, Errno::Inval);
        port = line_end_of_interrupt(*mapped);
    }
    if (table->unmasks_on_end() && port.raw() != 0)
        HV_TRY_VOID(domain.events->unmask(port));
    return {};
}

Result<std::uint32_t> interrupt_status(Domain& domain, std::uint32_t number)
{
    PirqTable* const table = load_acquire(domain.pirqs);
    HV_REQUIRE(table != nullptr, Errno::Inval);
    Guard guard(table->lock);
    Pirq* const mapped = table->find(number);
    HV_REQUIRE(mapped != nullptr && mapped->line != nullptr, Errno::Inval);
    return (needs_end(*mapped->line) ? std::uint32_t{XENIRQSTAT_needs_eoi} : 0u) |
           (line_is_shared(*mapped->line) ? std::uint32_t{XENIRQSTAT_shared} : 0u);
}

Result<void> register_eoi_page(Domain& domain, GuestFrame frame, bool unmask_on_end)
{
    Guard guard(mapping_lock);
    HV_REQUIRE(domain.is_control() || domain.pirqs != nullptr, Errno::Perm);
    PirqTable& table = *HV_TRY(table_of(domain));
    Guard table_guard(table.lock);
    return table.set_eoi_page(frame, unmask_on_end);
}

void pirqs_relinquish(Domain& domain)
{
    Guard guard(mapping_lock);
    PirqTable* const table = domain.pirqs;
    if (table == nullptr)
        return;
    for (std::uint32_t number = 0; number < kMaxPirqs; ++number)
    {
        Pirq* mapped = nullptr;
        {
            Guard table_guard(table->lock);
            mapped = table->find(number);
        }
        if (mapped != nullptr)
            drop(*table, *mapped);
    }
    store_release(domain.pirqs, nullptr);
    table->destroy();
    heap_delete(table);
}

} // namespace hv
