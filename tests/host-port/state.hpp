// SPDX-License-Identifier: MIT
// The simulated machine's state, shared by the files of the hosted port and by nobody else.
#pragma once

#include "machine.hpp"

#include <atomic>
#include <mutex>

namespace hv::host
{

extern std::byte* ram;
extern std::uint64_t* m2p_table;
extern Cpu cpus[kCpus + 1];
extern Flushes flush_record;
extern std::atomic<std::uint64_t> clock_now;
extern std::atomic<std::uint64_t> clock_step;
extern std::atomic<bool> threaded;
extern bool stable_tsc;
extern void (*m2p_hook)();
extern thread_local unsigned current_cpu;
extern thread_local Vcpu const* shown_vcpu; // whose kernel's memory can be reached although it is in user mode
extern std::mutex log_mutex;
extern std::string log_text;

// Moves bytes between the caller and guest memory: a block of guest_allocate(), or the pages that the current vCPU's
// kernel root maps. False where an access would fault.
bool copy_in(void* destination, std::uint64_t source, std::size_t bytes);
bool copy_out(std::uint64_t destination, void const* source, std::size_t bytes);

} // namespace hv::host
