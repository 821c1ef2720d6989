// SPDX-License-Identifier: MIT
// The top level: a table indexed by number, and multicall, which runs it for a list.
#include <hypercalls/dispatch/hypercall.hpp>

#include <core/domain/guest_iret.hpp>
#include <core/trace/count.hpp>
#include <hypercalls/handlers/all.hpp>

#include <array>

namespace hv
{
namespace
{

constexpr std::size_t kNumbers = 64;

struct Row
{
    CallResult (*call)(Caller&) = nullptr;
    std::uint16_t counter = 0;
};

CallResult unreachable_iret(Caller&)
{
    return Errno::NoSys; // the entry code and multicall handle iret before they look here
}

consteval std::array<Row, kNumbers> make_table()
{
    std::array<Row, kNumbers> table{};
#define HV_HYPERCALL(number, name, function, doc) \
    table[number] = Row{&function, static_cast<std::uint16_t>(Counter::Call_##name)};
    using namespace handlers;
#include <hypercalls/table/hypercalls.def>
#undef HV_HYPERCALL
    return table;
}

constexpr std::array<Row, kNumbers> kTable = make_table();

} // namespace

CallResult dispatch_hypercall(Vcpu& vcpu, std::uint64_t number, HypercallArgs& args)
{
    if (number >= kNumbers || kTable[number].call == nullptr) [[unlikely]]
    {
        count(vcpu, Counter::Unknown_hypercall);
        return Errno::NoSys;
    }
    count(vcpu, static_cast<Counter>(kTable[number].counter));
    Caller caller(vcpu, args);
    return kTable[number].call(caller);
}

namespace handlers
{

// Runs each entry as a call of its own. An entry that must restart is written back with its progress and the multicall
// itself restarts from it. An iret ends the list: the guest kernel is left, so nothing after it may run (XSA-213).
CallResult multicall(Caller& caller)
{
    std::uint64_t const count = static_cast<std::uint32_t>(caller.args.value[1]);
    GuestInOut<abi::multicall_entry> const list(caller.args.value[0]);
    for (std::uint64_t i = 0; i < count; ++i)
    {
        if (caller.spend(8))
        {
            caller.args.value[0] += i * sizeof(abi::multicall_entry);
            caller.args.value[1] = count - i;
            return Errno::Restart;
        }
        abi::multicall_entry entry = HV_TRY(list.read(i));
        if (entry.op == __HYPERVISOR_iret)
        {
            port::guest_iret(caller.vcpu());
            return std::int64_t{0};
        }
        HV_REQUIRE(entry.op != __HYPERVISOR_multicall, Errno::Inval);
        HypercallArgs args;
        for (unsigned a = 0; a < 6; ++a)
            args.value[a] = entry.args[a];
        hv::count(caller.vcpu(), Counter::Call_in_multicall);
        CallResult const result = dispatch_hypercall(caller.vcpu(), entry.op, args);
        if (!result && result.error() == Errno::Restart)
        {
            for (unsigned a = 0; a < 6; ++a)
                entry.args[a] = args.value[a];
            HV_TRY_VOID(list.write(entry, i));
            caller.args.value[0] += i * sizeof(abi::multicall_entry);
            caller.args.value[1] = count - i;
            return Errno::Restart;
        }
        entry.result = result ? static_cast<std::uint64_t>(result.value())
                              : static_cast<std::uint64_t>(-static_cast<std::int64_t>(result.error()));
        HV_TRY_VOID(list.write(entry, i));
    }
    return std::int64_t{0};
}

} // namespace handlers
} // namespace hv
