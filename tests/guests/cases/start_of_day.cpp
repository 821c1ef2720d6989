// SPDX-License-Identifier: MIT
// What a kernel finds when it starts: tables, frames, registers, and nothing that it could misuse (gotchas 33, 39; surface 1.2
// to 1.4).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

std::uint64_t const* m2p()
{
    return reinterpret_cast<std::uint64_t const*>(0xffff800000000000);
}

void information()
{
    char const* const magic = start_info->magic;
    EXPECT(magic[0] == 'x' && magic[4] == '3' && magic[6] == '0' && magic[8] == 'x');
    EXPECT((start_info->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN)) == (SIF_PRIVILEGED | SIF_INITDOMAIN));
    EXPECT(start_info->store_evtchn == 0 && start_info->store_mfn == 0); // the control domain makes its own
    EXPECT(start_info->shared_info % 4096 == 0 && start_info->pt_base % 4096 == 0);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0) >=
                  static_cast<long>(start_info->shared_info >> 12),
              1);
}

void registers()
{
    std::uint64_t flags;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    EXPECT((flags & (1u << 10 | 3u << 12 | 1u << 14 | 1u << 18)) == 0); // DF, IOPL, NT, AC
    EXPECT((flags & 1u << 9) != 0);
    std::uint16_t ds, es, fs, gs;
    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3" : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    EXPECT((ds | es | fs | gs) == 0);
    for (auto const& info : shared().vcpu_info)
        EXPECT_EQ(info.evtchn_upcall_mask, 1);
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 7), 0x400);
    std::uint64_t cr3;
    asm volatile("mov %%cr3, %0" : "=r"(cr3));
    EXPECT_EQ(cr3 >> 12, frame_of(reinterpret_cast<void*>(start_info->pt_base)));
    // The virtual privilege level for ports starts at 0: the kernel has to raise it.
    EXPECT(TRAPS(13, "mov $0x80, %%edx; in %%dx, %%al"));
    std::uint32_t level = 1;
    EXPECT_EQ(call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, address(&level)), 0);
    asm volatile("in %%dx, %%al" : : "d"(0x80) : "rax");
    level = 4;
    EXPECT_EQ(call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, address(&level)), -22);
}

// The whole of memory: each frame ours, each once, and the two tables agree.
void frames()
{
    auto const* const p2m = reinterpret_cast<std::uint64_t const*>(start_info->mfn_list);
    unsigned wrong = 0;
    for (std::uint64_t pfn = 0; pfn < start_info->nr_pages; ++pfn)
        wrong += m2p()[p2m[pfn]] != pfn;
    EXPECT_EQ(wrong, 0);
}

// Every page that is a table is mapped read-only; every other page of the image is ours to write.
void tables()
{
    unsigned table_pages = 0, wrong = 0;
    std::uint64_t const first = start_info->pt_base;
    std::uint64_t const end = first + start_info->nr_pt_frames * 4096;
    for (std::uint64_t where = 0x100000; where < end; where += 4096)
    {
        std::uint64_t const entry = *entry_of(reinterpret_cast<void*>(where));
        bool const table = where >= first;
        table_pages += table;
        if ((entry & 0x000ffffffffff000) == start_info->shared_info)
            continue; // what we have mapped elsewhere by now
        wrong += (entry & kPresent) == 0 || ((entry & kWritable) != 0) == table;
        wrong += (entry >> 12 & 0xffffffffff) != frame_of(reinterpret_cast<void*>(where));
        wrong += entry >> 63; // nothing is no-execute yet
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(table_pages, start_info->nr_pt_frames);
    std::uint64_t const root = frame_of(reinterpret_cast<void*>(first));
    EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, root), -22); // it is pinned, once
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, root), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, root), -22);
    EXPECT(mmu_update(root << 12 | 300 * 8, 0) == 0); // still in use as the root, still a table
    EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, root), 0);
}

// Frames that are not ours: the hypervisor's, the local APIC's, low memory.
void what_may_be_mapped()
{
    EXPECT(map(window(2), 0xfee00ull << 12 | kTable) != 0); // local APIC
    EXPECT(map(window(2), 0xfec00ull << 12 | kTable) != 0); // IO-APIC
    EXPECT_EQ(call(__HYPERVISOR_update_va_mapping_otherdomain, address(static_cast<char*>(window(2))),
                   0xf0ull << 12 | kReadOnlyLeaf, UVMF_INVLPG, 0x7ff1),
              0); // the BIOS
    EXPECT_EQ(make_writable(window(2)), 0);
    std::uint64_t const hypervisor = 0x200000 >> 12; // our image's usual place
    EXPECT(map(window(2), hypervisor << 12 | kReadOnlyLeaf) != 0);
    unsigned reachable = 0;
    for (std::uint64_t frame = 0x100; frame < 0x2000; ++frame)
        if (m2p()[frame] == ~0ull && map(window(2), frame << 12 | kTable, 0) == 0)
            ++reachable; // free or ours: never
    EXPECT_EQ(reachable, 0);
    EXPECT_EQ(make_writable(window(2)), 0);
}

} // namespace

void run()
{
    EXPECT_EQ(map(window(7), start_info->shared_info | kTable), 0); // its owner may map it wherever it likes
    install_shared();
    install_traps();
    information();
    registers();
    frames();
    tables();
    what_may_be_mapped();
    finish();
}
