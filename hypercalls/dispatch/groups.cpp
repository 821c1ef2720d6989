// SPDX-License-Identifier: MIT
// The tables of sub-operations, built from the rows at compile time, and the one place that looks a row up.
#include <core/trace/count.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/dispatch/table.hpp>
#include <hypercalls/handlers/all.hpp>

namespace hv::groups
{
namespace
{

enum class Group : std::uint8_t
{
#define HV_GROUP(group) group,
#include <hypercalls/table/groups.def>
#undef HV_GROUP
    Count,
};

// Operation numbers below this can be table rows; the ABI's highest is domctl 86.
inline constexpr std::size_t kOperations = 96;
// One row more, for every number that does not exist: no row is without a function.
using GroupTable = std::array<SubOp, kOperations + 1>;

struct Row
{
    Group group;
    std::uint32_t number;
    SubOp operation;
};

constexpr Row kRows[] = {
#define HV_SUBOP(group_, number_, name_, function_, direction_, privilege_, preempt_, errors_, doc_) \
    {Group::group_, number_, \
     SubOp{&sub_op_thunk<&handlers::group_::function_, Direction::direction_, Privilege::privilege_>, \
           static_cast<std::uint16_t>(Counter::Op_##group_##_##name_)}},
#include <hypercalls/table/all.def>
#undef HV_SUBOP
};

CallResult no_operation(std::uint64_t, std::uint64_t, std::uint64_t, Caller&)
{
    return Errno::NoSys;
}

consteval GroupTable table_of(Group group)
{
    GroupTable table{};
    table.fill({&no_operation, static_cast<std::uint16_t>(Counter::Unknown_hypercall)});
    for (Row const& row : kRows)
        if (row.group == group)
            table[row.number] = row.operation;
    return table;
}

inline CallResult dispatch(GroupTable const& table, std::uint64_t number, std::uint64_t argument, std::uint64_t extra,
                           Caller& caller)
{
    SubOp const& row = table[number < kOperations ? number : kOperations];
    count(caller.vcpu(), static_cast<Counter>(row.counter));
    return row.call(number, argument, extra, caller);
}

} // namespace

#define HV_GROUP(group_) \
    CallResult group_(std::uint64_t number, std::uint64_t argument, std::uint64_t extra, Caller& caller) \
    { \
        static constexpr GroupTable kTable = table_of(Group::group_); \
        return dispatch(kTable, number, argument, extra, caller); \
    }
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::groups
