// SPDX-License-Identifier: MIT
// Two vCPUs against each other: tables that one of them still has in its TLB, and entries that both change at once
// (gotchas 26, 31, 33).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

std::uint64_t leaf(void const* object, std::uint64_t flags)
{
    return frame_of(object) << 12 | flags;
}

// ---- a writer on the other CPU that never stops
std::uint64_t volatile stop_writing;
std::uint64_t* volatile target;
std::uint64_t forbidden; // our root, writable: no table may say so

extern "C" std::uint64_t second_writes(std::uint64_t volatile* object, std::uint64_t value);

asm(R"(
        .text
second_writes:
        movq    %rsi, (%rdi)
        xorl    %eax, %eax
        ret
        .globl second_write_refused
second_write_refused:
        movl    $1, %eax
        ret
)");
extern "C" char second_write_refused[];

void writes_all_the_time()
{
    second_resume_at = address(second_write_refused);
    mailbox.values[10] = 1;
    while (stop_writing == 0)
        mailbox.values[11] = mailbox.values[11] + second_writes(&target[100], forbidden);
    second_resume_at = 0;
}

// The page is made read-only without a flush and becomes a table while the other CPU writes to it through an old
// translation. Whatever is validated must be what stays there (XSA-401).
void a_table_is_out_of_the_others_reach()
{
    forbidden = leaf(reinterpret_cast<void*>(start_info->pt_base), kTable);
    for (unsigned round = 0; round < 20; ++round)
    {
        memset(page(0), 0, 4096);
        stop_writing = 0;
        target = page(0);
        mailbox.values[10] = 0;
        mailbox.values[11] = 0;
        start_second(writes_all_the_time);
        EXPECT(wait_for([] { return mailbox.values[10] == 1; }));
        while (*const_cast<std::uint64_t volatile*>(&page(0)[100]) == 0)
            asm volatile("pause");
        EXPECT_EQ(map(page(0), leaf(page(0), kReadOnlyLeaf), 0), 0);
        EXPECT_EQ(extended(MMUEXT_CLEAR_PAGE, frame_of(page(0))), 0);
        long pinned = -1;
        // It fails while the writer still gets through: the entry that it writes is no good one.
        for (unsigned attempt = 0; attempt < 1000 && pinned != 0; ++attempt)
        {
            extended(MMUEXT_CLEAR_PAGE, frame_of(page(0)));
            pinned = extended(MMUEXT_PIN_L1_TABLE, frame_of(page(0)));
        }
        EXPECT_EQ(pinned, 0);
        std::uint64_t const refused = mailbox.values[11];
        bool clean = true;
        EXPECT(wait_for([&] {
            clean = clean && page(0)[100] == 0;
            return mailbox.values[11] > refused + 1000;
        })); // the writer faults, again and again
        EXPECT(clean);
        stop_writing = 1;
        EXPECT(wait_for(second_ended));
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(0))), 0);
        EXPECT_EQ(make_writable(page(0)), 0);
    }
}

// ---- both change one entry
constexpr unsigned kUpdates = 4000;

// Any of two pages with either right, at random: updates that change only a right meet some that change the page.
void toggle(std::uint32_t noise)
{
    for (unsigned i = 0; i < kUpdates; ++i)
    {
        noise = noise * 1664525 + 1013904223;
        mmu_update(frame_of(page(1)) << 12 | 8,
                   leaf(page(2 + (noise >> 20 & 1)), (noise >> 24 & 1) != 0 ? kReadOnlyLeaf : kTable));
    }
}

void toggles_too()
{
    toggle(1);
}

void references_are_exact()
{
    EXPECT_EQ(make_read_only(page(1)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(1))), 0);
    EXPECT_EQ(make_read_only(page(2)), 0);
    EXPECT_EQ(make_read_only(page(3)), 0);
    start_second(toggles_too);
    toggle(0);
    EXPECT(wait_for(second_ended));
    EXPECT_EQ(mmu_update(frame_of(page(1)) << 12 | 8, 0), 0);
    for (unsigned i = 2; i <= 3; ++i)
    {
        // No writable use may be left over, nor one too few.
        EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(i))), 0);
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(i))), 0);
        EXPECT_EQ(map(page(i), 0), 0);
        std::uint64_t list[1] = {frame_of(page(i))};
        abi::xen_memory_reservation args{};
        args.extent_start.p = list;
        args.nr_extents = 1;
        args.domid = DOMID_SELF;
        EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&args)), 1); // no reference at all
    }
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(1))), 0);
    EXPECT_EQ(make_writable(page(1)), 0);
}

// ---- a root that both run on
constexpr std::uint64_t kFar = 7ull << 39;

extern "C" std::uint64_t second_reads(std::uint64_t where);
asm(R"(
        .text
second_reads:
        movq    (%rdi), %rax
        ret
        .globl second_read_refused
second_read_refused:
        movq    $-1, %rax
        ret
)");
extern "C" char second_read_refused[];

void reads_far()
{
    second_resume_at = address(second_read_refused);
    for (;;)
    {
        std::uint64_t const order = mailbox.values[20];
        if (order == 99)
            break;
        if (order != 0)
        {
            mailbox.values[21] = second_reads(kFar);
            mailbox.values[20] = 0;
        }
    }
    second_resume_at = 0;
}

std::uint64_t second_sees()
{
    mailbox.values[20] = 1;
    EXPECT(wait_for([] { return mailbox.values[20] == 0; }));
    return mailbox.values[21];
}

void roots_are_the_same_everywhere()
{
    mailbox.values[20] = 0;
    start_second(reads_far);
    EXPECT_EQ(second_sees(), ~0ull);
    page(7)[0] = 0x7777;
    for (unsigned i = 4; i <= 6; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(4))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(4)) << 12, leaf(page(7), kTable)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(5))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(5)) << 12, leaf(page(4), kTable)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, frame_of(page(6))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(6)) << 12, leaf(page(5), kTable)), 0);
    std::uint64_t const slot = frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12 | 7 * 8;
    EXPECT_EQ(mmu_update(slot, leaf(page(6), kTable)), 0);
    EXPECT_EQ(second_sees(), 0x7777);
    EXPECT_EQ(mmu_update(slot, 0), 0);
    EXPECT_EQ(extended(MMUEXT_TLB_FLUSH_ALL, 0), 0);
    EXPECT_EQ(second_sees(), ~0ull);
    EXPECT_EQ(mmu_update(slot, leaf(page(6), kTable)), 0);
    EXPECT_EQ(second_sees(), 0x7777);
    // One page, by a mask of vCPUs; bits beyond the last vCPU mean nothing.
    std::uint64_t mask = ~0ull;
    EXPECT_EQ(mmu_update(frame_of(page(4)) << 12, 0), 0);
    abi::mmuext_op op{};
    op.cmd = MMUEXT_INVLPG_MULTI;
    op.arg1.linear_addr = kFar;
    op.arg2.vcpumask.p = &mask;
    EXPECT_EQ(call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, DOMID_SELF), 0);
    EXPECT_EQ(second_sees(), ~0ull);
    EXPECT_EQ(mmu_update(slot, 0), 0);
    mailbox.values[20] = 99;
    EXPECT(wait_for(second_ended));
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    a_table_is_out_of_the_others_reach();
    references_are_exact();
    roots_are_the_same_everywhere();
    finish();
}
