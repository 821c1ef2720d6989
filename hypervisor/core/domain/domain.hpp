// SPDX-License-Identifier: MIT
// A domain: what it owns and may do. Life: created paused -> built -> running -> (shutting down) -> dying -> freed when
// the last reference and the last frame are gone.
//
// References: `references` counts DomainRef holders and 1 for being alive. Each frame whose owner is this domain keeps
// one through page accounting (frame_count != 0). find_domain() never returns a freed domain.
#pragma once

#include <core/console/guest_line.hpp>
#include <core/domain/vcpu.hpp>
#include <core/sched/domain_share.hpp>
#include <core/time/watchdog.hpp>
#include <hypercalls/abi/xen.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>
#include <lib/strong.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace hv
{

class EventChannels; // core/evtchn
class GrantTable;    // core/grant
class CpuPolicy;     // core/policy
class PirqTable;     // core/irq
class RangeSet;      // core/domain/range_set.hpp

inline constexpr std::uint32_t kMaxVcpus = 128; // per domain

enum class Life : std::uint8_t
{
    Building, // created, not yet unpaused by the tools
    Alive,
    Dying, // destroydomain has begun; resources are being relinquished
    Dead,  // all relinquished; waits for the last frame reference
};

struct PageList // doubly linked through FrameInfo, newest first
{
    std::uint32_t first = 0; // frame number; 0 ends the list (frame 0 is never given to a domain)
    std::uint64_t count = 0;
};

class Domain
{
public:
    Domain(DomainId id) : id_(id) {}
    Domain(Domain const&) = delete;
    Domain& operator=(Domain const&) = delete;

    [[nodiscard]] DomainId id() const { return id_; }
    [[nodiscard]] bool is_control() const { return control; }
    // The vCPU, or nullptr when it does not exist. `id` is an unchecked guest value.
    [[nodiscard]] Vcpu* vcpu(std::uint32_t id) const { return id < vcpu_count ? vcpus[id] : nullptr; }

    // What a guest calls a machine frame becomes one here and nowhere else; today the two are equal.
    [[nodiscard]] Mfn resolve(GuestFrame frame) const { return Mfn{frame.raw()}; }
    [[nodiscard]] GuestFrame expose(Mfn mfn) const { return GuestFrame{mfn.raw()}; }

    bool control = false;                         // the control domain: may use every privileged call
    Life life = Life::Building;                   // changes under lifecycle_lock, read anywhere (acquire)
    std::uint32_t references = 1;                 // atomic
    SpinLock lifecycle_lock{LockRank::Lifecycle}; // life, pause, shutdown
    std::uint32_t controller_pause_count = 1;     // XEN_DOMCTL_pausedomain, at most 255
    std::uint32_t system_pause_count = 0;         // our own reasons, atomic
    SpinLock context_lock{LockRank::VcpuContext}; // first contexts of vCPUs, and where their vcpu_info lies
    bool shutting_down = false;                   // SCHEDOP_shutdown called; vCPUs are being descheduled
    bool shut_down = false;                       // every vCPU is descheduled: the tools may look
    std::uint32_t shutdown_code = 0;

    std::uint32_t vcpu_count = 0; // created so far; vcpus[0..vcpu_count) are non-null
    std::uint32_t max_vcpus = 0;
    Vcpu** vcpus = nullptr; // max_vcpus pointers

    // Memory. page_lock guards the lists and counts; mmu_lock every page-table entry of this domain and every
    // transition of its frames to or from a page-table or descriptor type. Order: mmu_lock before page_lock.
    SpinLock mmu_lock{LockRank::MmuTables};
    SpinLock page_lock{LockRank::DomainPages};
    PageList pages;                 // guest RAM
    PageList relinquished_pages;    // RAM of a dying domain that others still refer to
    std::uint8_t relinquishing = 0; // destroy_domain() is at work; atomic
    std::uint64_t max_pages = 0;
    std::uint64_t claimed_pages = 0; // XENMEM_claim_pages still outstanding
    std::uint64_t special_pages = 0; // shared_info, grant frames: owned, not counted as RAM
    // Tables whose interrupted teardown the next table operation resumes, by level (core/mm/page_table.hpp). mmu_lock.
    std::array<Mfn, 5> deferred_tables{kInvalidMfn, kInvalidMfn, kInvalidMfn, kInvalidMfn, kInvalidMfn};
    abi::shared_info* shared_info = nullptr; // direct-map view of shared_info_frame
    Mfn shared_info_frame = kInvalidMfn;
    std::uint32_t vm_assist = 0; // bit per VMASST_TYPE_* below 32
    bool vm_assist_m2p_strict = false;

    EventChannels* events = nullptr;
    GrantTable* grants = nullptr;
    CpuPolicy* policy = nullptr;
    PirqTable* pirqs = nullptr;
    RangeSet* io_memory = nullptr; // permitted machine frames, nullptr = none
    RangeSet* io_ports = nullptr;

    GuestLine console_line;                  // what it wrote by console_io since its last newline
    std::array<std::uint8_t, 16> handle{};   // UUID given by the tools
    std::uint32_t sched_weight = 256;        // credit2 terms
    std::uint32_t sched_cap = 0;             // percent of one CPU, 0 = none
    DomainShare share;                       // the scheduler's part
    Watchdogs watchdogs;                     // SCHEDOP_watchdog
    std::int32_t latched_shutdown_code = -1; // SCHEDOP_shutdown_code: what a later shutdown reports; -1 = none
    std::int64_t time_offset_seconds = 0;
    std::uint32_t wallclock_generation = 0; // of the wall clock in shared_info (core/time)
    std::uint32_t ssidref = 0;
    std::span<abi::e820entry> memory_map{}; // XENMEM_set_memory_map, heap

private:
    DomainId const id_;
};

// Holds one reference of a domain.
class DomainRef
{
public:
    DomainRef() = default;
    explicit DomainRef(Domain* adopted) : domain_(adopted) {}
    DomainRef(DomainRef&& other) noexcept : domain_(std::exchange(other.domain_, nullptr)) {}
    DomainRef& operator=(DomainRef&& other) noexcept
    {
        std::swap(domain_, other.domain_);
        return *this;
    }
    ~DomainRef();
    explicit operator bool() const { return domain_ != nullptr; }
    Domain* operator->() const { return domain_; }
    Domain& operator*() const { return *domain_; }
    [[nodiscard]] Domain* get() const { return domain_; }

private:
    Domain* domain_ = nullptr;
};

// The living or dying domain with this id, O(1); empty when there is none. Takes the table lock only.
DomainRef find_domain(DomainId id);
// `id` as a guest gives it: DOMID_SELF means the caller's own domain.
DomainRef find_domain(Domain& caller, DomainId id);
// The domains with the lowest ids >= `from`, for listings, as many as there is place in `found`; how many. O(1) each.
std::size_t next_domains(std::uint32_t from, std::span<DomainRef> found);
inline DomainRef next_domain(std::uint32_t from)
{
    DomainRef found;
    next_domains(from, {&found, 1});
    return found;
}
Domain& control_domain();

// Ends the domain's run because it broke a rule; `reason` goes to the log, the tools see SHUTDOWN_crash. The vCPUs stop
// before they next enter the guest. May be called from any entry of that domain.
void crash_domain(Domain& domain, char const* reason);
// SCHEDOP_shutdown and crash: the first code sticks; raises VIRQ_DOM_EXC when all vCPUs are off their CPUs.
void shutdown_domain(Domain& domain, std::uint32_t code);

} // namespace hv
