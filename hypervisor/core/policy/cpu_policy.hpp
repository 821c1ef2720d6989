// SPDX-License-Identifier: MIT
// The CPU that a domain sees: its CPUID leaves and the MSRs that announce features.
#pragma once

#include <core/policy/control_registers.hpp>
#include <core/policy/features.hpp>
#include <lib/result.hpp>

#include <array>
#include <cstdint>

namespace hv
{

struct CpuidLeaf
{
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
    std::uint32_t d = 0;
    constexpr bool operator==(CpuidLeaf const&) const = default;
};

// The real CPU, read once at boot. Tests give an invented one.
class HostCpu
{
public:
    virtual CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf) = 0;
    // XCR0 bits that our context switch saves and restores; 0 when we do not use XSAVE.
    virtual std::uint64_t xcr0_mask() = 0;
    virtual std::uint64_t arch_capabilities() = 0; // MSR 0x10a, 0 where it does not exist

protected:
    ~HostCpu() = default;
};

// Plain data: copying it copies the policy. Leaves not stored here read as zero.
class CpuPolicy
{
public:
    static constexpr unsigned kBasicLeaves = 0xe;     // 0..0xd; 4, 7, 0xb and 0xd have arrays of their own
    static constexpr unsigned kCacheLeaves = 6;       // 4.n
    static constexpr unsigned kFeatureLeaves = 3;     // 7.n
    static constexpr unsigned kTopologyLeaves = 2;    // 0xb.n
    static constexpr unsigned kXsaveLeaves = 20;      // 0xd.n
    static constexpr unsigned kExtendedLeaves = 0x22; // 0x80000000..0x80000021

    std::array<CpuidLeaf, kBasicLeaves> basic{};
    std::array<CpuidLeaf, kCacheLeaves> cache{};
    std::array<CpuidLeaf, kFeatureLeaves> feature{};
    std::array<CpuidLeaf, kTopologyLeaves> topology{};
    std::array<CpuidLeaf, kXsaveLeaves> xsave{};
    std::array<CpuidLeaf, kExtendedLeaves> extended{};
    std::uint64_t arch_capabilities = 0; // MSR 0x10a
    std::uint32_t platform_info = 0;     // MSR 0xce, bit 31: CPUID faulting

    // The stored leaf, or nullptr. Sub-leaf is ignored for leaves that have none.
    [[nodiscard]] CpuidLeaf* find(std::uint32_t leaf, std::uint32_t subleaf);
    [[nodiscard]] CpuidLeaf const* find(std::uint32_t leaf, std::uint32_t subleaf) const;

    [[nodiscard]] policy::FeatureSet features() const;
    void set_features(policy::FeatureSet const& features);
    [[nodiscard]] policy::GuestCr4Features cr4_features() const;
    [[nodiscard]] bool has(unsigned number) const { return (feature_word(number / 32) >> (number % 32) & 1) != 0; }

    [[nodiscard]] bool is_intel() const { return basic[0].b == 0x756e6547; } // "Genu"
    [[nodiscard]] bool is_amd() const                                        // "Auth" or "Hygo"
    {
        return basic[0].b == 0x68747541 || basic[0].b == 0x6f677948;
    }
    [[nodiscard]] std::uint32_t max_basic() const { return basic[0].a; }
    [[nodiscard]] std::uint32_t max_extended() const { return extended[0].a; }

    // XCR0 bits that a guest may set; 0 without XSAVE.
    [[nodiscard]] std::uint64_t xcr0_mask() const;
    // Bytes of an XSAVE area (standard format) with the components of `xcr0`.
    [[nodiscard]] std::uint32_t xsave_size(std::uint64_t xcr0) const;
    [[nodiscard]] std::uint32_t xsave_compact_size(std::uint64_t xcr0) const;

private:
    [[nodiscard]] std::uint32_t feature_word(unsigned index) const;
};
static_assert(sizeof(CpuPolicy) <= 2048); // one heap slab object

namespace policy
{

// True for leaves with sub-leaves: 4, 7, 0xb, 0xd.
constexpr bool has_subleaves(std::uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

// Every leaf as the CPU reports it, limited to those that we store.
[[nodiscard]] CpuPolicy read_raw_policy(HostCpu& host);
// What we ourselves use: raw, without the parts that we do not enable.
[[nodiscard]] CpuPolicy derive_host_policy(CpuPolicy const& raw, HostCpu& host);
// The host's policy cut down to `allowed`, in the form that a paravirtual guest sees.
[[nodiscard]] CpuPolicy derive_pv_policy(CpuPolicy const& host, FeatureSet const& allowed);
// Brings a policy that the tools edited back within `maximum`: features, XSAVE leaves, address sizes, hidden leaves.
void recalculate(CpuPolicy& policy, CpuPolicy const& maximum);

} // namespace policy
} // namespace hv
