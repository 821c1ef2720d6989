// SPDX-License-Identifier: MIT
// Domains that a test guest, being the control domain, builds from its own image: hostile ones whose end it watches, and
// partners for grants, events and foreign mappings.
//
// A child has a copy of the parent's image at the same addresses, as it was at the moment of start_child(), and one L1
// table for its two megabytes of addresses. It finds its own start_info, p2m and tables as any guest does, and tells its
// findings in its mailbox, which the parent has mapped.
#pragma once

#include <tests/guests/runtime/modes.hpp>

namespace guest
{

struct Child
{
    std::uint16_t id;
    bool alive;
    Mailbox* box;              // the child's, as the parent sees it
    std::uint64_t frames[512]; // by pseudo-physical frame, 0 where it has none
    [[nodiscard]] std::uint64_t frame_of(void const* object) const
    {
        return frames[address(static_cast<char const*>(object)) >> 12];
    }
};

struct ChildPlan
{
    void (*entry)();
    unsigned vcpus = 1;
    bool unpause = true;
};

// One child at a time. Failures count as failed checks; the returned child then has id 0.
Child& start_child(ChildPlan const& plan);
inline Child& start_child(void (*entry)())
{
    return start_child(ChildPlan{entry});
}
[[noreturn]] void child_ends(); // in the child: an orderly power-off

// ---- watching it
abi::xen_domctl_getdomaininfo info_of(Child const& child);
constexpr unsigned kStillRunning = 0x100;
unsigned wait_for_end(Child const& child, unsigned milliseconds = 5000); // its shutdown code, or kStillRunning
// It ends in the orderly way and its checks hold; then it is destroyed, and all memory is back.
void expect_good_end(Child& child);
// It is ended by the hypervisor for a reason that contains `reason`; then it is destroyed.
void expect_crash(Child& child, char const* reason);
void destroy(Child& child);
bool log_says(char const* text); // in what the hypervisor has logged since start_child()

// ---- the tools' calls
long domctl(abi::xen_domctl& op, std::uint32_t command, unsigned domain);
long simple_domctl(std::uint32_t command, unsigned domain);
long sysctl(abi::xen_sysctl& op, std::uint32_t command);
std::uint64_t free_pages();

} // namespace guest
