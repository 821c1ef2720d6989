// SPDX-License-Identifier: MIT
// Where each CPU notes the locks that it holds, for the checks of debug builds (lib/lock_rank.hpp).
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

[[maybe_unused]] constinit HeldLocks of_boot_stack;
[[maybe_unused]] constinit HeldLocks of_cpu[kMaxCpus];

} // namespace

HeldLocks* held_locks()
{
    if constexpr (kCheckLocks)
    {
        if (is_panicking())
            return nullptr; // whoever held locks has been stopped
        constexpr std::uint64_t kInterruptFlag = 1u << 9;
        std::uint64_t flags = 0;
        std::uint64_t stack = 0;
        asm volatile("pushf\n\tpop %0\n\tmov %%rsp, %1" : "=r"(flags), "=r"(stack));
        if ((flags & kInterruptFlag) != 0)
            HV_BUG("a lock is used with interrupts on");
        if (stack - layout::kPerCpu >= kMaxCpus * layout::kCpuStride)
            return &of_boot_stack;
        if (stack % layout::kCpuStride < layout::kCpuStackBottom)
            HV_BUG("a lock is used on the stack of an NMI, a machine check or another exception");
        return &of_cpu[this_cpu().id];
    }
    return nullptr;
}

} // namespace hv
