// SPDX-License-Identifier: MIT
// The FIFO event ABI: event words in guest-supplied pages, and one queue per vCPU and priority.
//
// A word: PENDING, MASKED, LINKED, BUSY and a link to the next event of its queue. A queue's head is in the vCPU's control
// block; its tail is known to us alone. The guest may rewrite any of it at any time, so nothing read from there is used
// unchecked and no loop against the guest is unbounded.
#pragma once

#include <core/evtchn/channel.hpp>
#include <hypercalls/abi/xen.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>
#include <lib/strong.hpp>

#include <array>
#include <cstdint>

namespace hv
{

class Domain;

struct FifoQueue
{
    SpinLock lock{LockRank::FifoQueue};
    std::uint32_t tail = 0; // last event put on it, 0 = none; it may have been consumed since
};

// One vCPU's control block and queues.
struct FifoQueues
{
    abi::evtchn_fifo_control_block* control = nullptr; // our view of the guest's frame
    Mfn frame = kInvalidMfn;                           // a writable reference is held
    std::array<FifoQueue, 16> queue;
};

inline constexpr std::uint32_t kFifoWordsPerPage = kPageSize / sizeof(std::uint32_t);
inline constexpr std::uint32_t kMaxFifoPages = kMaxFifoPorts / kFifoWordsPerPage;

// A domain's event words.
struct FifoState
{
    std::uint32_t pages = 0; // published with release after the entry is filled
    std::array<std::uint32_t*, kMaxFifoPages> words{};
    std::array<Mfn, kMaxFifoPages> frames{}; // a writable reference is held on each

    [[nodiscard]] std::uint32_t* word(EvtchnPort port) const
    {
        std::uint32_t const page = port.raw() / kFifoWordsPerPage;
        if (page >= __atomic_load_n(&pages, __ATOMIC_ACQUIRE))
            return nullptr;
        return words[page] + port.raw() % kFifoWordsPerPage;
    }
};

// Marks the event pending and puts it on its vCPU's queue; true when it was not pending before. The channel's binding is
// held stable by the caller.
bool fifo_set_pending(Domain& domain, FifoState& fifo, EvtchnPort port, Channel& channel);
// Clears MASKED and queues the event when it is pending.
void fifo_unmask(Domain& domain, FifoState& fifo, EvtchnPort port, Channel& channel);
void fifo_clear_pending(FifoState& fifo, EvtchnPort port, Channel& channel);
bool fifo_is_pending(FifoState const& fifo, EvtchnPort port, Channel const& channel);
// Still linked into a queue of the guest's: the port cannot be given out again yet.
bool fifo_is_busy(FifoState const& fifo, EvtchnPort port);

} // namespace hv
