// SPDX-License-Identifier: MIT
// Segment registers of guests. A selector is a guest's value: each load may fault and then becomes null.
//
// Loading a null selector clears the base on Intel and keeps it on AMD, so bases are always written after selectors.
#include <arch/x86_64/pv/segments.hpp>

#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/fixup.hpp>

namespace hv
{
namespace
{

#define HV_LOAD_SEGMENT(name, register_) \
    bool load_##name(std::uint16_t selector) \
    { \
        std::uint32_t failed = 1; \
        asm volatile("1: mov %1, %%" register_ "\n\t" \
                     "xor %0, %0\n\t" \
                     "2:\n\t" HV_FIXUP("1b", "2b") \
                     : "+r"(failed) \
                     : "r"(static_cast<std::uint32_t>(selector)) \
                     : "memory"); \
        if (failed != 0) \
            asm volatile("mov %0, %%" register_ : : "r"(0) : "memory"); \
        return failed == 0; \
    }
HV_LOAD_SEGMENT(ds, "ds")
HV_LOAD_SEGMENT(es, "es")
HV_LOAD_SEGMENT(fs, "fs")
HV_LOAD_SEGMENT(gs, "gs")
#undef HV_LOAD_SEGMENT

std::uint16_t read_selector_ds()
{
    std::uint16_t value;
    asm volatile("mov %%ds, %0" : "=r"(value));
    return value;
}

std::uint16_t read_selector_es()
{
    std::uint16_t value;
    asm volatile("mov %%es, %0" : "=r"(value));
    return value;
}

std::uint16_t read_selector_fs()
{
    std::uint16_t value;
    asm volatile("mov %%fs, %0" : "=r"(value));
    return value;
}

std::uint16_t read_selector_gs()
{
    std::uint16_t value;
    asm volatile("mov %%gs, %0" : "=r"(value));
    return value;
}

} // namespace

void save_segments(PvState& pv)
{
    pv.regs.ds = read_selector_ds();
    pv.regs.es = read_selector_es();
    pv.regs.fs = read_selector_fs();
    pv.regs.gs = read_selector_gs();
    pv.fs_base = read_msr(msr::kFsBase);
    std::uint64_t const active = read_msr(msr::kGsBase);
    std::uint64_t const inactive = read_msr(msr::kKernelGsBase);
    pv.gs_base_kernel = pv.in_kernel ? active : inactive;
    pv.gs_base_user = pv.in_kernel ? inactive : active;
}

bool load_segments(PvState const& pv)
{
    bool loaded = true;
    if ((pv.regs.ds | read_selector_ds()) != 0)
        loaded &= load_ds(pv.regs.ds);
    if ((pv.regs.es | read_selector_es()) != 0)
        loaded &= load_es(pv.regs.es);
    loaded &= load_fs(pv.regs.fs);
    loaded &= load_gs(pv.regs.gs);
    write_msr(msr::kFsBase, pv.fs_base);
    write_msr(msr::kGsBase, pv.in_kernel ? pv.gs_base_kernel : pv.gs_base_user);
    write_msr(msr::kKernelGsBase, pv.in_kernel ? pv.gs_base_user : pv.gs_base_kernel);
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
