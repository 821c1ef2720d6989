// SPDX-License-Identifier: MIT
// Turns what the hypercall entry records into a line of names.
#include <core/trace/last_hypercalls.hpp>

#include <core/domain/vcpu.hpp>
#include <lib/log.hpp>

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
    constexpr std::uint8_t kNone = 0xff;
    char line[256];
    std::size_t length = 0;
    for (unsigned shift = 64; shift != 0;)
    {
        shift -= 8;
        auto const call = static_cast<std::uint8_t>(vcpu.last_hypercalls >> shift);
        auto const operation = static_cast<std::uint8_t>(vcpu.last_operations >> shift);
        if (call != kNone)
            length += format(std::span(line).subspan(length), " {}({x})", hypercall_name(call), operation);
    }
    if (length != 0)
        log_error("  last hypercalls:{}", static_cast<char const*>(line));
}

} // namespace hv
