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
using GroupTable = std::array<SubOp, kOperations>;

struct Row
{
    Group group;
    SubOp operation;
};

constexpr Row kRows[] = {
#define HV_SUBOP(group_, number_, name_, function_, direction_, privilege_, preempt_, errors_, doc_) \
    {Group::group_, SubOp{number_, #name_, &sub_op_thunk<&handlers::group_::function_, Direction::direction_>, \
                          Privilege::privilege_, static_cast<std::uint16_t>(Counter::Op_##group_##_##name_)}},
#include <hypercalls/table/all.def>
#undef HV_SUBOP
};

consteval GroupTable table_of(Group group)
{
    GroupTable table{};
    for (Row const& row : kRows)
        if (row.group == group)
            table[row.operation.number] = row.operation;
    return table;
}

CallResult dispatch(GroupTable const& table, Caller& caller, std::uint64_t number, std::uint64_t argument)
{
    if (number >= kOperations || table[number].call == nullptr) [[unlikely]]
        return Errno::NoSys;
    SubOp const& row = table[number];
    count(caller.vcpu(), static_cast<Counter>(row.counter));
    if (row.privilege == Privilege::Control && !caller.is_control()) [[unlikely]]
        return Errno::Perm;
    return row.call(caller, argument);
}

} // namespace

#define HV_GROUP(group_) \
    CallResult group_(Caller& caller, std::uint64_t number, std::uint64_t argument) \
    { \
        static constexpr GroupTable kTable = table_of(Group::group_); \
        return dispatch(kTable, caller, number, argument); \
    }
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::groups
