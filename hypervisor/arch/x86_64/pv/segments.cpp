// SPDX-License-Identifier: MIT
// Segment registers of guests. A selector is a guest's value: each load may fault and then becomes null.
//
// Loading a null selector clears the base on Intel and keeps it on AMD, so bases are always written after selectors.
#include <arch/x86_64/pv/segments.hpp>

#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/fixup.hpp>

#include <utility>

namespace hv
{
namespace
{

// From and to memory, where the halves need not be put together.
[[gnu::always_inline]] inline void load_msr(std::uint32_t index, std::uint64_t const& value)
{
    std::uint32_t halves[2];
    __builtin_memcpy(halves, &value, sizeof(halves));
    asm volatile("wrmsr" : : "c"(index), "a"(halves[0]), "d"(halves[1]) : "memory");
}

[[gnu::always_inline]] inline void store_msr(std::uint32_t index, std::uint64_t& value)
{
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    auto* const bytes = reinterpret_cast<std::byte*>(&value);
    __builtin_memcpy(bytes, &low, sizeof(low));
    __builtin_memcpy(bytes + sizeof(low), &high, sizeof(high));
}

// The base of GS in the vCPU's present mode, and the one that SWAPGS brings.
template<typename Pv>
[[gnu::always_inline]] inline auto gs_bases(Pv& pv)
{
    return pv.in_kernel ? std::pair{&pv.gs_base_kernel, &pv.gs_base_user}
                        : std::pair{&pv.gs_base_user, &pv.gs_base_kernel};
}

// False: the selector faults; the register is null then.
#define HV_LOAD_SEGMENT(name) \
    bool load_##name(std::uint16_t selector) \
    { \
        asm volatile goto("1: mov %0, %%" #name "\n\t" HV_FIXUP("1b", "%l1") \
                          : \
                          : "r"(static_cast<std::uint32_t>(selector)) \
                          : "memory" \
                          : fault); \
        return true; \
    fault: \
        asm volatile("mov %0, %%" #name : : "r"(0) : "memory"); \
        return false; \
    }
HV_LOAD_SEGMENT(ds)
HV_LOAD_SEGMENT(es)
HV_LOAD_SEGMENT(fs)
HV_LOAD_SEGMENT(gs)
#undef HV_LOAD_SEGMENT

#define HV_READ_SELECTOR(name) \
    [[gnu::always_inline]] inline std::uint32_t read_selector_##name() \
    { \
        std::uint32_t value; /* the upper bits are zero */ \
        asm volatile("mov %%" #name ", %0" : "=r"(value)); \
        return value; \
    }
HV_READ_SELECTOR(ds)
HV_READ_SELECTOR(es)
HV_READ_SELECTOR(fs)
HV_READ_SELECTOR(gs)
#undef HV_READ_SELECTOR

} // namespace

void save_segments(PvState& pv)
{
    asm volatile("mov %%ds, %0" : "=m"(pv.regs.ds));
    asm volatile("mov %%es, %0" : "=m"(pv.regs.es));
    asm volatile("mov %%fs, %0" : "=m"(pv.regs.fs));
    asm volatile("mov %%gs, %0" : "=m"(pv.regs.gs));
    auto const [active, inactive] = gs_bases(pv);
    store_msr(msr::kFsBase, pv.fs_base);
    store_msr(msr::kGsBase, *active);
    store_msr(msr::kKernelGsBase, *inactive);
}

bool load_segments(PvState const& pv)
{
    abi::cpu_user_regs const& wanted = pv.regs;
    bool loaded = true;
    // 64-bit kernels have null selectors everywhere. Null in place of null changes at most the bases, which follow anyway.
    std::uint32_t const any = read_selector_ds() | read_selector_es() | read_selector_fs() | read_selector_gs() |
                              wanted.ds | wanted.es | wanted.fs | wanted.gs;
    if (any != 0)
    {
        loaded = load_ds(wanted.ds);
        loaded &= load_es(wanted.es);
        loaded &= load_fs(wanted.fs);
        loaded &= load_gs(wanted.gs);
    }
    auto const [active, inactive] = gs_bases(pv);
    load_msr(msr::kFsBase, pv.fs_base);
    load_msr(msr::kGsBase, *active);
    load_msr(msr::kKernelGsBase, *inactive);
    return loaded;
}

void load_user_gs_selector(PvState& pv, std::uint16_t selector)
{
    // The active side keeps its base: loading GS writes it, SWAPGS puts the user side where the load writes.
    pv.gs_user_selector = selector;
    asm volatile("swapgs" : : : "memory");
    (void)load_gs(selector); // null after a fault
    if (selector <= 3)
        write_msr(msr::kGsBase, 0);
    asm volatile("swapgs" : : : "memory");
}

} // namespace hv
