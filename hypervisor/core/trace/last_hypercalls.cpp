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
    constexpr unsigned kLines = 2;
    constexpr unsigned kPerLine = 6; // what a line of the log has room for
    for (unsigned age = kLines * kPerLine; age != 0;)
    {
        char line[256];
        std::size_t length = 0;
        for (unsigned i = 0; i < kPerLine; ++i)
        {
            auto const [number, operation] = vcpu.last_hypercalls[--age];
            if (number != LastHypercalls::kNone)
                length += format(std::span(line).subspan(length), " {}({x})", hypercall_name(number), operation);
        }
        if (length != 0)
            log_error("  last hypercalls:{}", static_cast<char const*>(line));
    }
}

} // namespace hv
