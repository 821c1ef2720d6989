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

// A multicall_entry in words. A list is read entry by entry where it lies, each word once; of an entry, only the result is
// written, or the progress of a call that restarts.
enum EntryWord : unsigned
{
    kNumber,
    kResult,
    kArguments,
    kWordsRead = kArguments + 5, // no call has a sixth argument
};
static_assert(kResult * 8 == offsetof(abi::multicall_entry, result));
static_assert(kArguments * 8 == offsetof(abi::multicall_entry, args));
constexpr std::uint64_t kEntrySize = sizeof(abi::multicall_entry);

GuestVirtual word_of(std::uint64_t entry, unsigned word)
{
    return GuestVirtual{entry + word * 8};
}

constexpr std::int32_t kEntryUnits = 8;
// Each entry has a budget of its own, so a list of heavy ones could keep the CPU for all their budgets together. The clock
// is looked at between so many entries, and not at all for the short lists that kernels send.
constexpr std::uint64_t kBetweenLooks = 8;
constexpr std::uint64_t kLongestList = 500'000; // nanoseconds

CallResult restart_at(Caller& caller, std::uint64_t entry, std::uint64_t left)
{
    caller.resume_with(0, entry);
    caller.resume_with(1, left);
    return Errno::Restart;
}

// The arguments with which a call goes on replace those of its entry.
bool write_progress(Caller const& call, std::uint64_t entry)
{
    bool written = true;
    call.for_each_resumed([&](unsigned index, std::uint64_t value) {
        written = port::store_to_guest(word_of(entry, kArguments + index), value) && written;
    });
    return written;
}

// Runs an entry as a call of its own. Errors end the list.
[[gnu::always_inline]] inline Result<void> run_entry(Vcpu& vcpu, std::uint64_t entry)
{
    std::uint64_t words[kWordsRead];
    HV_REQUIRE(port::load_words_from_guest(words, GuestVirtual{entry}), Errno::Fault);
    HV_REQUIRE(words[kNumber] != __HYPERVISOR_multicall, Errno::Inval);
    hv::count(vcpu, Counter::Call_in_multicall);
    Caller call(vcpu);
    CallResult const result = call_row(clamped(words[kNumber]), words[kArguments], words[kArguments + 1],
                                       words[kArguments + 2], words[kArguments + 3], words[kArguments + 4], call);
    if (!result && result.error() == Errno::FrameReplaced) [[unlikely]]
        return Errno::FrameReplaced;
    if (!result && result.error() == Errno::Restart) [[unlikely]]
        return write_progress(call, entry) ? Errno::Restart : Errno::Fault;
    HV_REQUIRE(port::store_to_guest(word_of(entry, kResult), register_value(result)), Errno::Fault);
    return {};
}

} // namespace

// An entry that must restart has its progress written back and the multicall itself restarts from it. An iret ends the
// list: the guest kernel is left, so nothing after it may run (XSA-213).
CallResult multicall(Caller& caller, std::uint64_t list, std::uint64_t length)
{
    std::uint64_t left = static_cast<std::uint32_t>(length);
    std::uint64_t const started = left > kBetweenLooks ? port::now().raw() : 0;
    FlushLimit const flushes;
    for (bool first = true; left != 0; first = false)
    {
        bool const late = !first && port::now().raw() - started > kLongestList;
        if (caller.spend(kEntryUnits * kBetweenLooks) || late)
            return restart_at(caller, list, left);
        for (std::uint64_t const end = left > kBetweenLooks ? left - kBetweenLooks : 0; left != end;)
        {
            Result<void> const done = run_entry(caller.vcpu(), list);
            if (!done) [[unlikely]]
                return done.error() == Errno::Restart ? restart_at(caller, list, left) : CallResult(done.error());
            list += kEntrySize;
            --left;
            if (flushes.reached() && left != 0) [[unlikely]]
                return restart_at(caller, list, left);
        }
    }
    return std::int64_t{0};
}

} // namespace handlers
} // namespace hv
