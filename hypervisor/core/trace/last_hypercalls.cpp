// SPDX-License-Identifier: MIT
// Turns the ring that the hypercall entry fills into a line of names.
#include <core/trace/last_hypercalls.hpp>

#include <core/domain/vcpu.hpp>
#include <lib/log.hpp>

#include <algorithm>
#include <iterator>

namespace hv
{
namespace
{

char const* hypercall_name(std::uint32_t number)
{
    switch (number)
    {
#define HV_HYPERCALL(number_, name, function, doc) \
    case number_: return #name;
#include <hypercalls/table/hypercalls.def>
#undef HV_HYPERCALL
    default: return "unknown";
    }
}

} // namespace

void log_last_hypercalls(Vcpu const& vcpu)
{
    constexpr std::uint32_t kSlots = std::size(decltype(vcpu.last_hypercalls){});
    std::uint32_t const next = vcpu.last_hypercall_next;
    std::uint32_t const made = std::min(next, kSlots);
    char line[256];
    std::size_t length = 0;
    for (std::uint32_t i = next - made; i != next; ++i)
    {
        std::uint32_t const call = vcpu.last_hypercalls[i % kSlots];
        length += format(std::span(line).subspan(length), " {}({x})", hypercall_name(call >> 16), call & 0xffff);
    }
    if (length != 0)
        log_error("  last hypercalls:{}", static_cast<char const*>(line));
}

} // namespace hv
