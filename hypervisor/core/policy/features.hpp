// SPDX-License-Identifier: MIT
// Sets of CPU features in the numbering of the public header cpufeatureset.h: 19 words of 32 bits.
#pragma once

#include <array>
#include <cstdint>

namespace hv::abi
{
#include <xen/arch-x86/cpufeatureset.h>
} // namespace hv::abi

namespace hv::policy
{

inline constexpr unsigned kFeatureWords = 19;

// Names of the words, by the CPUID leaf that they mirror.
namespace word
{
inline constexpr unsigned kLeaf1Edx = 0;
inline constexpr unsigned kLeaf1Ecx = 1;
inline constexpr unsigned kExtended1Edx = 2;
inline constexpr unsigned kExtended1Ecx = 3;
inline constexpr unsigned kXsave1Eax = 4;
inline constexpr unsigned kLeaf7Ebx = 5;
inline constexpr unsigned kLeaf7Ecx = 6;
inline constexpr unsigned kExtended7Edx = 7;
inline constexpr unsigned kExtended8Ebx = 8;
inline constexpr unsigned kLeaf7Edx = 9;
inline constexpr unsigned kLeaf7Sub1Eax = 10;
inline constexpr unsigned kExtended21Eax = 11;
inline constexpr unsigned kLeaf7Sub1Ebx = 12;
inline constexpr unsigned kLeaf7Sub2Edx = 13;
inline constexpr unsigned kLeaf7Sub1Ecx = 14;
inline constexpr unsigned kLeaf7Sub1Edx = 15;
inline constexpr unsigned kArchCapabilitiesLow = 16;
inline constexpr unsigned kArchCapabilitiesHigh = 17;
inline constexpr unsigned kExtended21Ecx = 18;
} // namespace word

class FeatureSet
{
public:
    std::array<std::uint32_t, kFeatureWords> words{};

    [[nodiscard]] constexpr bool test(unsigned feature) const
    {
        return (words[feature / 32] >> (feature % 32) & 1) != 0;
    }
    constexpr void set(unsigned feature, bool value = true)
    {
        std::uint32_t const bit = 1u << (feature % 32);
        words[feature / 32] = value ? words[feature / 32] | bit : words[feature / 32] & ~bit;
    }
    constexpr FeatureSet operator&(FeatureSet const& other) const
    {
        FeatureSet both;
        for (unsigned i = 0; i < kFeatureWords; ++i)
            both.words[i] = words[i] & other.words[i];
        return both;
    }
    constexpr bool operator==(FeatureSet const&) const = default;
};

// What a paravirtual guest may be given at most, and what it gets unless the tools ask for something else.
// Both still have to be cut down to what the machine has.
extern FeatureSet const kPvMaximum;
extern FeatureSet const kPvDefault;

// Clears every feature whose prerequisites are missing (AVX without XSAVE, and so on).
void drop_orphans(FeatureSet& features);

} // namespace hv::policy
