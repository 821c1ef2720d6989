// SPDX-License-Identifier: MIT
// Hypercalls that touch page tables: mmu_update, update_va_mapping, mmuext_op, descriptor tables.
#pragma once

#include <core/mm/page_table.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult mmu_update(Caller& caller, std::uint64_t address, std::uint64_t count, std::uint64_t done,
                      std::uint64_t foreign_domain);
CallResult update_va_mapping(Caller& caller, std::uint64_t address, std::uint64_t entry, std::uint64_t flags);
CallResult update_va_mapping_otherdomain(Caller& caller, std::uint64_t address, std::uint64_t entry,
                                         std::uint64_t flags, std::uint64_t foreign_domain);
CallResult mmuext_op(Caller& caller, std::uint64_t address, std::uint64_t count, std::uint64_t done,
                     std::uint64_t foreign_domain);
CallResult set_gdt(Caller& caller, std::uint64_t list, std::uint64_t entries);
CallResult update_descriptor(Caller& caller, std::uint64_t address, std::uint64_t descriptor);

// Whose frames a call may map, from its `foreigndom` argument (surface.md 2.4). Holds the foreign domain while used.
// Errors: Srch (no such domain), Perm (not privileged).
struct FrameOwner
{
    DomainId id;
    bool foreign = false;
    DomainRef domain; // empty for DOMID_IO and DOMID_XEN
};
Result<void> resolve_named_owner(Caller& caller, DomainId id, FrameOwner& owner);
inline Result<void> resolve_frame_owner(Caller& caller, std::uint64_t foreign_domain, FrameOwner& owner)
{
    DomainId const id{static_cast<std::uint16_t>(foreign_domain)};
    owner.id = caller.domain().id();
    return id == kDomainSelf ? Result<void>{} : resolve_named_owner(caller, id, owner);
}

// One request on the caller's own memory, with nobody asking how many were done: what kernels make most.
inline bool is_single_request(std::uint64_t count, std::uint64_t done, std::uint64_t foreign_domain)
{
    return static_cast<std::uint32_t>(count) == 1 && done == 0 &&
           static_cast<std::uint32_t>(foreign_domain) == kDomainSelf.raw();
}

// Progress of a batch that stops early: what `done` in the guest becomes, and where the restarted call goes on.
class BatchProgress
{
public:
    // The count has the continuation flag in bit 31; `done` is the address of the done count, or 0.
    BatchProgress(Caller& caller, std::uint64_t list, std::uint64_t count, std::uint64_t done,
                  std::uint64_t element_size)
        : caller_(caller), list_(list), done_(done), element_size_(element_size),
          count_(static_cast<std::uint32_t>(count & ~kPreempted)), resumed_((count & kPreempted) != 0)
    {
    }
    [[nodiscard]] Result<void> begin() // reads the earlier count of a restarted call
    {
        if (!resumed_ || done_ == 0) [[likely]]
            return {};
        earlier_ = HV_TRY(GuestIn<std::uint32_t>(done_).read());
        return {};
    }
    [[nodiscard]] std::uint32_t count() const { return count_; }
    void advance() { ++completed_; }
    // Writes the done count; with Restart also the arguments to go on from. Returns what the call returns.
    CallResult finish(Errno error)
    {
        if (error == Errno::None && done_ == 0) [[likely]]
            return std::int64_t{0};
        return tell(error);
    }

private:
    CallResult tell(Errno error);

    static constexpr std::uint64_t kPreempted = 1ull << 31; // MMU_UPDATE_PREEMPTED is internal to a hypervisor
    Caller& caller_;
    std::uint64_t const list_;
    std::uint64_t const done_;
    std::uint64_t const element_size_;
    std::uint32_t const count_;
    bool const resumed_;
    std::uint32_t earlier_ = 0;
    std::uint32_t completed_ = 0;
};

} // namespace hv::handlers
