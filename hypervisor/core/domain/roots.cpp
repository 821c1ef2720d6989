// SPDX-License-Identifier: MIT
// Roots and descriptor tables of a vCPU.
#include <core/domain/roots.hpp>

#include <core/mm/deferred.hpp>
#include <core/mm/pte.hpp>
#include <port/port.hpp>

namespace hv
{

namespace
{

// All of change_kernel_root(), mmu_lock held.
[[gnu::noinline]] Result<void> replace_kernel_root(Vcpu& vcpu, Mfn root, Budget& budget)
{
    Domain& domain = vcpu.domain();
    HV_TRY_VOID(finish_deferred(domain, budget));
    if (root == vcpu.pv.kernel_root)
    {
        port::load_roots(vcpu);
        return {};
    }
    HV_TRY_VOID(get_table(domain, root, FrameType::L4, budget));
    Mfn const old = vcpu.pv.kernel_root;
    prepare_kernel_root(root);
    vcpu.pv.kernel_root = root;
    change_ldt(vcpu, vcpu.pv.ldt_base, vcpu.pv.ldt_entries); // pages were found through the old tables
    port::load_roots(vcpu);
    if (old != kInvalidMfn)
        (void)put_table(domain, old, FrameType::L4, budget).error(); // Restart: waits in the deferred slot
    return {};
}

} // namespace

Result<void> change_kernel_root(Vcpu& vcpu, Mfn root, Budget& budget)
{
    Domain& domain = vcpu.domain();
    Guard guard(domain.mmu_lock);
    // The same root again, with nothing put off, is a flush: by itself it saves no registers for all the rest.
    if (!none_deferred(domain) || root != vcpu.pv.kernel_root)
        return replace_kernel_root(vcpu, root, budget);
    port::load_roots(vcpu);
    return {};
}

Result<void> change_user_root(Vcpu& vcpu, Mfn root, Budget& budget)
{
    Domain& domain = vcpu.domain();
    Guard guard(domain.mmu_lock);
    HV_TRY_VOID(finish_deferred(domain, budget));
    Mfn const old = vcpu.pv.user_root;
    if (root == old)
        return {};
    if (root != kInvalidMfn)
        HV_TRY_VOID(get_table(domain, root, FrameType::L4, budget));
    vcpu.pv.user_root = root;
    if (old != kInvalidMfn)
        (void)put_table(domain, old, FrameType::L4, budget).error(); // Restart: waits in the deferred slot
    return {};
}

Result<void> drop_vcpu_tables(Vcpu& vcpu, Budget& budget)
{
    Domain& domain = vcpu.domain();
    HV_TRY_VOID(finish_deferred(domain, budget));
    change_ldt(vcpu, 0, 0);
    change_gdt(vcpu, nullptr, 0, 0).value();
    for (Mfn* root : {&vcpu.pv.user_root, &vcpu.pv.kernel_root})
    {
        if (*root == kInvalidMfn)
            continue;
        Mfn const old = *root;
        *root = kInvalidMfn;
        HV_TRY_VOID(put_table(domain, old, FrameType::L4, budget));
    }
    return {};
}

Result<void> change_gdt(Vcpu& vcpu, Mfn const* frames, unsigned count, std::uint32_t entries)
{
    Domain& domain = vcpu.domain();
    for (unsigned i = 0; i < count; ++i)
    {
        if (auto const taken = get_descriptor_page(domain, frames[i]); !taken)
        {
            while (i-- > 0)
                put_descriptor_page(frames[i]);
            return Errno::Inval;
        }
    }
    std::array<Mfn, 14> const old = vcpu.pv.gdt_frames;
    unsigned const old_count = (vcpu.pv.gdt_entries + 511) / 512;
    for (unsigned i = 0; i < vcpu.pv.gdt_frames.size(); ++i)
        vcpu.pv.gdt_frames[i] = i < count ? frames[i] : kInvalidMfn;
    vcpu.pv.gdt_entries = entries;
    port::map_gdt(vcpu); // and no CPU translates to the old frames any more
    for (unsigned i = 0; i < old_count; ++i)
        put_descriptor_page(old[i]);
    return {};
}

void change_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries)
{
    PvState& pv = vcpu.pv;
    if (pv.ldt_mapped != 0)
    {
        Mfn frames[16];
        port::unmap_ldt(vcpu, frames); // no CPU translates to them any more
        for (unsigned page = 0; page < 16; ++page)
            if ((pv.ldt_mapped >> page & 1) != 0)
                put_descriptor_page(frames[page]);
        pv.ldt_mapped = 0;
    }
    bool const changed = pv.ldt_base != base || pv.ldt_entries != entries;
    pv.ldt_base = base;
    pv.ldt_entries = entries;
    if (changed)
        port::load_ldt(vcpu);
}

bool map_ldt_page(Vcpu& vcpu, unsigned page)
{
    PvState& pv = vcpu.pv;
    Domain& domain = vcpu.domain();
    Guard guard(domain.mmu_lock);
    if (page >= 16 || page * 512 >= pv.ldt_entries || (pv.ldt_mapped >> page & 1) != 0)
        return false;
    auto const slot = find_leaf(pv.kernel_root, pv.ldt_base + page * kPageSize);
    if (!slot || (slot.value().entry & pte::kPresent) == 0)
        return false;
    Mfn const frame = pte::frame(slot.value().entry);
    if (!get_descriptor_page(domain, frame))
        return false;
    port::map_ldt_page(vcpu, page, frame);
    pv.ldt_mapped |= 1u << page;
    return true;
}

} // namespace hv
