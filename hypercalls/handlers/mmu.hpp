// SPDX-License-Identifier: MIT
// Hypercalls that touch page tables: mmu_update, update_va_mapping, mmuext_op, descriptor tables.
#pragma once

#include <core/mm/page_table.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult mmu_update(Caller& caller);
CallResult update_va_mapping(Caller& caller);
CallResult update_va_mapping_otherdomain(Caller& caller);
CallResult mmuext_op(Caller& caller);
CallResult set_gdt(Caller& caller);
CallResult update_descriptor(Caller& caller);

// Whose frames a call may map, from its `foreigndom` argument (surface.md 2.4). Holds the foreign domain while used.
// Errors: Srch (no such domain), Perm (not privileged).
struct FrameOwner
{
    DomainId id;
    bool foreign = false;
    DomainRef domain; // empty for DOMID_IO and DOMID_XEN
};
Result<void> resolve_frame_owner(Caller& caller, std::uint32_t foreign_domain, FrameOwner& owner);

// Progress of a batch that stops early: what `done` in the guest becomes, and where the restarted call goes on.
class BatchProgress
{
public:
    // args: [0] list, [1] count with the continuation flag in bit 31, [2] address of the done count or 0.
    BatchProgress(Caller& caller, std::uint64_t element_size);
    [[nodiscard]] Result<void> begin(); // reads the earlier count of a restarted call
    [[nodiscard]] std::uint32_t count() const { return count_; }
    void advance() { ++completed_; }
    // Writes the done count; with Restart also the arguments to go on from. Returns what the call returns.
    CallResult finish(Errno error);

private:
    static constexpr std::uint64_t kPreempted = 1ull << 31; // MMU_UPDATE_PREEMPTED is internal to a hypervisor
    Caller& caller_;
    std::uint64_t const element_size_;
    std::uint32_t count_ = 0;
    std::uint32_t earlier_ = 0;
    std::uint32_t completed_ = 0;
};

} // namespace hv::handlers
