// SPDX-License-Identifier: MIT
// The table of the top level, and multicall, which runs it for a list.
#include <hypercalls/dispatch/hypercall.hpp>

#include <core/domain/guest_iret.hpp>
#include <hypercalls/handlers/all.hpp>

namespace hv
{
namespace
{

CallResult unknown(Caller&)
{
    return Errno::NoSys;
}

CallResult iret(Caller& caller)
{
    port::guest_iret(caller.vcpu());
    return Errno::FrameReplaced;
}

consteval auto make_table()
{
    std::array<HypercallRow, kHypercallNumbers + 1> table{};
    table.fill({&call_with_registers<&unknown>, static_cast<std::uint16_t>(Counter::Unknown_hypercall)});
#define HV_HYPERCALL(number, name, function, doc) \
    table[number] = {&call_with_registers<&function>, static_cast<std::uint16_t>(Counter::Call_##name)};
    using namespace handlers;
#include <hypercalls/table/hypercalls.def>
#undef HV_HYPERCALL
    return table;
}

} // namespace

constinit std::array<HypercallRow, kHypercallNumbers + 1> const kHypercallTable = make_table();

namespace handlers
{
namespace
{

// A multicall_entry, with its arguments as dispatch takes them.
struct ListedCall
{
    std::uint64_t number;
    std::uint64_t result;
    HypercallArgs args;
};
static_assert(sizeof(ListedCall) == sizeof(abi::multicall_entry));
static_assert(offsetof(ListedCall, result) == offsetof(abi::multicall_entry, result));
static_assert(offsetof(ListedCall, args) == offsetof(abi::multicall_entry, args));

constexpr std::uint64_t kChunk = 8; // entries copied in at a time
constexpr std::int32_t kEntryUnits = 8;
// Each entry has a budget of its own, so a list of heavy ones could keep the CPU for all their budgets together. The clock
// is looked at once per chunk, and not at all for the short lists that kernels send.
constexpr std::uint64_t kLongestList = 500'000; // nanoseconds

CallResult restart_at(Caller& caller, GuestIn<ListedCall> const& list, std::uint64_t count, std::uint64_t index)
{
    caller.resume_with(0, list.address(index).raw());
    caller.resume_with(1, count - index);
    return Errno::Restart;
}

// Copies in the next entries; how many. One at a time where a whole chunk cannot be read, so that those before the bad
// one still run.
std::uint64_t read_chunk(GuestIn<ListedCall> const& list, ListedCall (&chunk)[kChunk], std::uint64_t first,
                         std::uint64_t count)
{
    std::uint64_t const wanted = count - first < kChunk ? count - first : kChunk;
    if (list.read_array(chunk, first, wanted)) [[likely]]
        return wanted;
    return list.read_array(chunk, first, 1) ? 1 : 0;
}

} // namespace

// Runs each entry as a call of its own. An entry that must restart is written back with its progress and the multicall
// itself restarts from it. An iret ends the list: the guest kernel is left, so nothing after it may run (XSA-213).
CallResult multicall(Caller& caller, std::uint64_t address, std::uint64_t length)
{
    std::uint64_t const count = static_cast<std::uint32_t>(length);
    GuestInOut<ListedCall> const list(address);
    std::uint64_t const started = count > kChunk ? port::now().raw() : 0;
    FlushLimit const flushes;
    ListedCall chunk[kChunk];
    for (std::uint64_t first = 0; first < count;)
    {
        bool const late = first != 0 && port::now().raw() - started > kLongestList;
        if (caller.spend(kEntryUnits * kChunk) || late)
            return restart_at(caller, list, count, first);
        std::uint64_t const end = first + read_chunk(list, chunk, first, count);
        HV_REQUIRE(end != first, Errno::Fault);
        for (ListedCall* entry = chunk; first != end; ++first, ++entry)
        {
            HV_REQUIRE(entry->number != __HYPERVISOR_multicall, Errno::Inval);
            hv::count(caller.vcpu(), Counter::Call_in_multicall);
            CallResult const result = dispatch_hypercall(caller.vcpu(), entry->number, entry->args);
            if (!result && result.error() == Errno::FrameReplaced)
                return result;
            if (!result && result.error() == Errno::Restart)
            {
                HV_TRY_VOID(list.write(*entry, first));
                return restart_at(caller, list, count, first);
            }
            std::uint64_t const value = register_value(result);
            HV_REQUIRE(port::store_to_guest(list.address(first) + offsetof(ListedCall, result), value), Errno::Fault);
            if (flushes.reached() && first + 1 != count) [[unlikely]]
                return restart_at(caller, list, count, first + 1);
        }
    }
    return std::int64_t{0};
}

} // namespace handlers
} // namespace hv
