// SPDX-License-Identifier: MIT
// What test guests are written with: hypercalls, page tables of their own, caught traps, and a verdict.
//
// A guest defines run(). It checks with EXPECT..., and calls finish(), which prints `RESULT: pass` or `RESULT: fail` and
// powers the machine off. It runs as the initial domain, so one boot of a second or two shows the whole of it.
#pragma once

#include <hypercalls/abi/xen.hpp>

#include <cstdint>
#include <initializer_list>

extern "C" void* memset(void* to, int value, unsigned long bytes);
extern "C" void* memcpy(void* to, void const* from, unsigned long bytes);

namespace guest
{

namespace abi = hv::abi;

// ---- hypercalls
long call(unsigned number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
          std::uint64_t e = 0);

template<typename T>
std::uint64_t address(T const* object)
{
    return reinterpret_cast<std::uint64_t>(object);
}

// ---- verdict
void print(char const* text);
void print_number(char const* text, std::uint64_t value);
void check(bool good, char const* what, long got, int line);
[[noreturn]] void finish();
[[noreturn]] void shut_down(unsigned reason);
// The rest of the run must end in the domain's crash: the harness looks for our announcement and then the host's report.
void expect_crash();

#define EXPECT(condition) ::guest::check((condition), #condition, 0, __LINE__)
#define EXPECT_EQ(expression, wanted) \
    do \
    { \
        long const got_ = static_cast<long>(expression); \
        ::guest::check(got_ == static_cast<long>(wanted), #expression " == " #wanted, got_, __LINE__); \
    } while (0)

// ---- what a domain found out about itself. One page of the image; a child domain has its own, which its parent reads.
struct Mailbox
{
    static constexpr unsigned kReports = 8;
    std::uint32_t in_child;
    std::uint32_t checks;
    std::uint32_t failures;
    std::uint32_t reserved;
    struct
    {
        char const* what; // the same address in parent and child
        long got;
        int line;
    } failed[kReports];
    std::uint64_t volatile values[64]; // for the case's own use
};
extern Mailbox mailbox;

// ---- traps
struct Trap
{
    std::uint64_t r15, r14, r13, r12, r10, r9, r8, rbp, rdi, rsi, rdx, rbx, rax, vector, rcx, r11, error, rip, cs,
        rflags, rsp, ss;
};
void install_traps();  // all vectors, DPL 3 for 3 and 4
extern Trap last_trap; // copy of the latest
extern unsigned volatile trap_count;
extern std::uint8_t mask_in_trap; // evtchn_upcall_mask as the handler of the latest found it
extern std::uint64_t resume_at;   // where the handler goes on; 0: same place (after the instruction for int3 ...)
std::uint64_t fault_address();    // cr2 as the hypervisor reports it

// Runs `code`, an asm statement whose faulting instruction is followed by label 9; true when it trapped with `vector`.
#define TRAPS(vector_, ...) \
    ({ \
        unsigned const before_ = ::guest::trap_count; \
        std::uint64_t next_; \
        asm volatile("lea 9f(%%rip), %0" : "=r"(next_)); \
        ::guest::resume_at = next_; \
        asm volatile(__VA_ARGS__ "\n9:" : : : "memory", "rax", "rcx", "rdx", "rbx", "r8", "r11", "cc"); \
        ::guest::resume_at = 0; \
        ::guest::trap_count == before_ + 1 && ::guest::last_trap.vector == (vector_); \
    })

// ---- memory
extern "C" abi::start_info* start_info;
abi::shared_info& shared(); // mapped by install_shared()
void install_shared();
std::uint64_t* page(unsigned index); // one of 64 free, zeroed pages of ours, page-aligned
constexpr unsigned kPages = 64;
std::uint64_t frame_of(void const* address);      // machine frame
std::uint64_t* entry_of(void const* address);     // its page-table entry (readable: tables are mapped read-only)
std::uint64_t entry_address(void const* address); // machine address of that entry
long map(void const* address, std::uint64_t entry, unsigned long flags = 2 /* UVMF_INVLPG */);
long make_read_only(void const* address);
long make_writable(void const* address);
long mmu_update(std::uint64_t machine_address, std::uint64_t value, unsigned domain = 0x7ff0);
long extended(unsigned command, std::uint64_t first, std::uint64_t second = 0);

long map_foreign(void const* object, std::uint64_t frame, unsigned domain, std::uint64_t flags);
void* window(unsigned index); // one of kWindows pages of ours that cases may map something else over
constexpr unsigned kWindows = 8;

constexpr std::uint64_t kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kSuper = 0x80;
constexpr std::uint64_t kTable = kPresent | kWritable | kUser | kAccessed | kDirty;
constexpr std::uint64_t kReadOnlyLeaf = kPresent | kUser | kAccessed;

} // namespace guest

extern "C" [[noreturn]] void run();
