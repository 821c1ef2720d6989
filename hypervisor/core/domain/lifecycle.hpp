// SPDX-License-Identifier: MIT
// Making, finding, ending and freeing domains.
//
// A domain's slot in the table is set at creation and cleared, under the table lock, when its last reference goes; its
// memory is freed after that. The alive reference is dropped when relinquishing is complete. Frames of the domain that
// others still map hold the domain through page accounting, so a dead domain stays listed until they are unmapped.
#pragma once

#include <core/domain/domain.hpp>
#include <core/mm/page_table.hpp>

#include <config.hpp>

namespace hv
{

struct DomainSettings
{
    std::uint32_t max_vcpus = 1;
    std::uint32_t max_event_port = 1023; // highest usable; XEN_DOMCTL_createdomain max_evtchn_port
    std::uint32_t max_grant_frames = config::kGrantFramesMax;
    std::uint32_t max_maptrack_frames = config::kMaptrackFramesMax;
    std::uint32_t max_grant_version = 2;
    bool control = false;
    std::array<std::uint8_t, 16> handle{};
    std::uint32_t ssidref = 0;
};

// A new paused domain with the id, or the next free one when the id is 0 or reserved (never 0 then). The caller gets a
// reference beside the alive one. Exist, Inval, NoMem, NoSpc (no id left).
Result<Domain*> create_domain(std::uint32_t id, DomainSettings const& settings);
// Adds the vCPU with the next id. Inval beyond max_vcpus, NoMem.
Result<Vcpu*> create_vcpu(Domain& domain);

// Ends the domain: stops it, relinquishes everything. Restart when the budget ran out: call again until done. The caller
// holds a reference. Perm for the control domain.
Result<void> destroy_domain(Domain& domain, Budget& budget);

// The work of destroy_domain(), also for a domain whose creation failed half-way.
Result<void> relinquish_domain(Domain& domain, Budget& budget);

void domain_hold(Domain& domain);    // one more reference; the caller has one already or holds the table lock
void domain_release(Domain& domain); // the last one frees
// The owner of a frame, by the id in its record: alive because the frame counts as a reference.
Domain* domain_of_frame(DomainId owner);

// Resumes after shutdown (XEN_DOMCTL_resumedomain).
void resume_domain(Domain& domain);

// Called by the scheduler when a vCPU of a domain that is shutting down has left its CPU: completes the shutdown when it
// was the last one.
void shutdown_vcpu_descheduled(Domain& domain);

std::uint32_t domain_count();

} // namespace hv
