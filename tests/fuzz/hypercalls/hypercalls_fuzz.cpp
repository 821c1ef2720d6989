// SPDX-License-Identifier: MIT
// libFuzzer target: sequences of hypercalls of several domains. After every step the recount oracle must agree with every
// frame's record, and when all domains have ended every frame must be free again.
#include "world.hpp"

#include <invariants.hpp>

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    constexpr unsigned kMostSteps = 60;
    FuzzedDataProvider input(data, size);
    hv::fuzz::World world;
    for (unsigned step = 0; step < kMostSteps && input.remaining_bytes() > 2; ++step)
    {
        hv::fuzz::play_step(world, input);
        auto const broken = hv::host::broken_invariants();
        if (broken.empty())
            continue;
        for (std::string const& rule : broken)
            std::fprintf(stderr, "broken after step %u: %s\n", step, rule.c_str());
        std::abort();
    }
    return 0;
}
