// SPDX-License-Identifier: MIT
// What a test guest does beyond straight kernel code: user mode, event upcalls, a second vCPU, the clock.
#pragma once

#include <tests/guests/runtime/guest.hpp>

namespace guest
{

// ---- upcalls. The event callback comes through the entry of this vector.
constexpr unsigned kUpcallVector = 32;
extern unsigned upcall_count; // those of vCPU 0
extern Trap last_upcall;
extern std::uint64_t upcall_events; // pending bits of the first 64 ports that upcalls have found and cleared
void install_upcalls();             // the callback, and events unmasked
void take_upcall(Trap& trap);
std::uint32_t loopback_port(); // an event channel from us to us; its send end is returned
std::uint32_t loopback_peer(std::uint32_t port);
long send(std::uint32_t port);

// ---- user mode, on the kernel's own root unless another is set
void install_user_mode(); // system-call callback, kernel stack, user root
// Enters `code` in user mode with `argument` in rdi, `flags` as EFLAGS and the code selector; returns when the code makes a
// system call that comes to syscall_entry, with the rax it had then.
extern "C" std::uint64_t run_user(std::uint64_t code, std::uint64_t argument = 0, std::uint64_t flags = 0x202,
                                  std::uint64_t selector = FLAT_USER_CS);
extern "C" std::uint64_t user_frame[7]; // of the last system call: rcx, r11, rip, cs, rflags, rsp, ss

// Runs an asm body in user mode; it may use rdi. True when it reached the system call that ends it.
#define USER(body, argument_) \
    ({ \
        std::uint64_t code_; \
        asm volatile("jmp 2f\n1: " body "\n mov $0x600d, %%eax\n syscall\n2: lea 1b(%%rip), %0" : "=r"(code_)); \
        ::guest::run_user(code_, (argument_)) == 0x600d; \
    })
// The same, for a body whose faulting instruction must trap with `vector`; after it the code goes on at label 9.
#define USER_TRAPS(vector_, body, argument_) \
    ({ \
        std::uint64_t code_, next_; \
        asm volatile("jmp 2f\n1: " body "\n9: mov $0x600d, %%eax\n syscall\n2: lea 1b(%%rip), %0; lea 9b(%%rip), %1" \
                     : "=r"(code_), "=r"(next_)); \
        unsigned const before_ = ::guest::trap_count; \
        ::guest::resume_at = next_; \
        bool const ended_ = ::guest::run_user(code_, (argument_)) == 0x600d; \
        ::guest::resume_at = 0; \
        ended_&& ::guest::trap_count == before_ + 1 && ::guest::last_trap.vector == (vector_); \
    })

// ---- a second vCPU. `body` runs on it with a stack of its own; when it returns, the vCPU takes itself down.
long initialise_vcpu(unsigned number, void (*body)()); // VCPUOP_initialise
void start_second(void (*body)());
bool second_ended();
bool on_second_vcpu(void const* stack_address);
void take_second_trap(Trap& trap);
extern Trap second_trap;
extern unsigned volatile second_trap_count;
extern std::uint64_t volatile second_resume_at;
abi::vcpu_guest_context& scratch_context(); // zeroed, with our traps and root: what initialise_vcpu() starts from

// ---- time
std::uint64_t now(); // nanoseconds since boot, as the hypervisor gives them to this vCPU
std::uint64_t read_tsc();
constexpr std::uint64_t kMillisecond = 1'000'000;
void sleep_until(std::uint64_t time); // in SCHEDOP_poll

// Sleeps until `condition()` holds, looking every two milliseconds; false after `milliseconds`.
template<typename F>
bool wait_for(F&& condition, std::uint64_t milliseconds = 5000)
{
    std::uint64_t const deadline = now() + milliseconds * kMillisecond;
    while (!condition())
    {
        if (now() > deadline)
            return false;
        sleep_until(now() + 2 * kMillisecond);
    }
    return true;
}

} // namespace guest
