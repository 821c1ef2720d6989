// SPDX-License-Identifier: MIT
// Invented CPUs for policy tests: every feature bit set, leaves recognisable by their numbers.
#pragma once

#include <core/policy/cpu_policy.hpp>

#include <map>
#include <utility>

namespace hv::policy::test
{

// An Intel or AMD processor with all features, five XSAVE components and four cache leaves.
class FakeCpu final : public HostCpu
{
public:
    explicit FakeCpu(bool intel = true)
    {
        leaves[{0, 0}] = intel ? CpuidLeaf{0x1f, 0x756e6547, 0x6c65746e, 0x49656e69}
                               : CpuidLeaf{0x10, 0x68747541, 0x444d4163, 0x69746e65};
        leaves[{1, 0}] = {0x000506e3, 0x05100800, ~0u, ~0u};
        for (std::uint32_t leaf : {2u, 3u, 5u, 6u, 8u, 9u, 0xau, 0xcu})
            leaves[{leaf, 0}] = {0x100 + leaf, 0x200 + leaf, 0x300 + leaf, 0x400 + leaf};
        for (std::uint32_t i = 0; i < 4; ++i)
            leaves[{4, i}] = {0x1c004121 + i, 0x01c0003f, 0x3f, 0};
        leaves[{7, 0}] = {2, ~0u, ~0u, ~0u};
        leaves[{7, 1}] = {~0u, ~0u, ~0u, ~0u};
        leaves[{7, 2}] = {0, 0, 0, ~0u};
        leaves[{0xb, 0}] = {1, 2, 0x100, 5};
        leaves[{0xb, 1}] = {4, 16, 0x201, 5};
        leaves[{0xd, 0}] = {0x2ff, 0x340, 0xa88, 0};
        leaves[{0xd, 1}] = {0xf, 0x340, 0x100, 0};
        leaves[{0xd, 2}] = {0x100, 0x240, 0, 0};
        leaves[{0xd, 3}] = {0x40, 0x3c0, 0, 0};
        leaves[{0xd, 4}] = {0x40, 0x400, 0, 0};
        leaves[{0xd, 5}] = {0x40, 0x440, 0, 0};
        leaves[{0xd, 6}] = {0x200, 0x480, 0, 0};
        leaves[{0xd, 7}] = {0x400, 0x680, 2, 0};
        leaves[{0xd, 9}] = {8, 0xa80, 0, 0};
        leaves[{0x80000000, 0}] = {intel ? 0x80000008 : 0x80000023, 0, 0, 0};
        leaves[{0x80000001, 0}] = {0, 0, ~0u, ~0u};
        for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000006; ++leaf)
            leaves[{leaf, 0}] = {leaf, leaf, leaf, leaf};
        leaves[{0x80000007, 0}] = {1, 2, 3, ~0u};
        leaves[{0x80000008, 0}] = {0x00003934, ~0u, 0x700f, 0x10000};
        for (std::uint32_t leaf = 0x80000009; leaf <= 0x80000023; ++leaf)
            leaves[{leaf, 0}] = {~0u, ~0u, ~0u, ~0u};
    }

    CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf) override
    {
        auto const found = leaves.find({leaf, subleaf});
        return found == leaves.end() ? CpuidLeaf{} : found->second;
    }
    std::uint64_t xcr0_mask() override { return xcr0; }
    std::uint64_t arch_capabilities() override { return ~0ull; }

    std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidLeaf> leaves;
    std::uint64_t xcr0 = 0xe7;
};

} // namespace hv::policy::test
