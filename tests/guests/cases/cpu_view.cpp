// SPDX-License-Identifier: MIT
// The CPU that a guest sees: what CPUID, MSRs and control registers say, and what they must hide (gotchas 19, 21-25).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

struct Leaf
{
    std::uint32_t a, b, c, d;
};

// The way in which kernels ask the hypervisor instead of the CPU.
Leaf cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0)
{
    Leaf out;
    asm volatile("ud2; .ascii \"xen\"; cpuid"
                 : "=a"(out.a), "=b"(out.b), "=c"(out.c), "=d"(out.d)
                 : "0"(leaf), "2"(subleaf));
    return out;
}

bool read_msr(std::uint32_t number, std::uint64_t& value)
{
    unsigned const before = trap_count;
    std::uint64_t next;
    std::uint32_t low = 0, high = 0;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("rdmsr\n9:" : "+a"(low), "+d"(high) : "c"(number) : "memory");
    resume_at = 0;
    value = static_cast<std::uint64_t>(high) << 32 | low;
    return trap_count == before;
}

bool write_msr(std::uint32_t number, std::uint64_t value)
{
    unsigned const before = trap_count;
    std::uint64_t next;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("wrmsr\n9:"
                 :
                 : "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32)), "c"(number)
                 : "memory");
    resume_at = 0;
    return trap_count == before;
}

// Linux's third instruction, before any handler exists; and unknown MSRs read as 0 then instead of ending the guest.
void before_any_handler()
{
    asm volatile("wrmsr" : : "c"(0xc0000101), "a"(0x1000), "d"(0));
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000101));
    EXPECT(low == 0x1000 && high == 0);
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0x12345678));
    EXPECT(low == 0 && high == 0);
}

void hidden_features()
{
    Leaf const one = cpuid(1);
    EXPECT((one.d & (1u << 1 | 1u << 3 | 1u << 13 | 1u << 17)) == 0);                   // VME PSE PGE PSE36
    EXPECT((one.c & (1u << 5 | 1u << 6 | 1u << 17 | 1u << 21)) == 0);                   // VMX SMX PCID x2APIC
    EXPECT((one.c & 1u << 31) != 0);                                                    // a hypervisor is there
    EXPECT((one.d & (1u << 5 | 1u << 6 | 1u << 24)) == (1u << 5 | 1u << 6 | 1u << 24)); // MSR PAE FXSR
    Leaf const seven = cpuid(7);
    EXPECT((seven.b & (1u << 7 | 1u << 10 | 1u << 20)) == 0);          // SMEP INVPCID SMAP
    EXPECT((seven.c & (1u << 2 | 1u << 3 | 1u << 4 | 1u << 16)) == 0); // UMIP PKU OSPKE LA57
    EXPECT((cpuid(0x80000001).d & 1u << 26) == 0);                     // 1 GiB pages
    Leaf const xen = cpuid(0x40000000);
    EXPECT(xen.b == 0x566e6558 && xen.c == 0x65584d4d && xen.d == 0x4d4d566e && xen.a >= 0x40000004);
    EXPECT_EQ(cpuid(0x40000001).a, 0x00040011);
}

void xsave_is_consistent()
{
    Leaf const one = cpuid(1);
    if ((one.c & 1u << 26) == 0)
    {
        print("no XSAVE on this CPU: its checks are left to the run with another\n");
        return;
    }
    EXPECT((one.c & 1u << 27) !=
           0); // OSXSAVE before the guest has set CR4.OSXSAVE: Linux drops XSAVE for good otherwise
    std::uint64_t cr4;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    asm volatile("mov %0, %%cr4" : : "r"(cr4 | 1ull << 18));
    EXPECT(TRAPS(13, "xor %%ecx, %%ecx; xor %%edx, %%edx; xor %%eax, %%eax; xsetbv"));    // x87 is mandatory
    EXPECT(TRAPS(13, "xor %%ecx, %%ecx; mov $0x80000000, %%edx; mov $1, %%eax; xsetbv")); // reserved bits
    EXPECT(TRAPS(13, "mov $1, %%ecx; xor %%edx, %%edx; mov $1, %%eax; xsetbv"));          // no such register
    std::uint32_t const supported = cpuid(0xd).a;
    asm volatile("xsetbv" : : "c"(0), "a"(supported & 7), "d"(0));
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    EXPECT_EQ(low, supported & 7);
    asm volatile("xsetbv" : : "c"(0), "a"(1), "d"(0));
    sleep_until(now() + 3 * kMillisecond); // the hypervisor saves all components meanwhile
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    EXPECT_EQ(low, 1);
    asm volatile("xsetbv" : : "c"(0), "a"(supported & 7), "d"(0));
}

// Saving the FPU's state when the CPU idles clears CR0.TS.
void task_switched_survives_idling()
{
    EXPECT_EQ(call(__HYPERVISOR_fpu_taskswitch, 1), 0);
    sleep_until(now() + 3 * kMillisecond);
    EXPECT(TRAPS(7, "fninit"));
    asm volatile("fninit"); // the delivery has cleared it
}

void registers_that_matter()
{
    std::uint64_t value = 0;
    EXPECT(read_msr(0x277, value));
    EXPECT_EQ(value, 0x0000050100070406); // IA32_CR_PAT: Linux believes it
    EXPECT(!write_msr(0x277, 0));
    EXPECT(!read_msr(0x606, value) && !read_msr(0x611, value)); // RAPL (XSA-351)
    EXPECT(!read_msr(0x12345678, value));
    EXPECT(!write_msr(0xc0000082, 0x1000)); // LSTAR
    EXPECT(!write_msr(0xc0000080, 0));      // EFER may only be what it is
    EXPECT(read_msr(0xc0000080, value) && write_msr(0xc0000080, value));
    EXPECT(read_msr(0x1b, value) && (value & 0xfffff000) == 0xfee00000);
    for (std::uint32_t base : {0xc0000100u, 0xc0000101u, 0xc0000102u})
    {
        EXPECT(!write_msr(base, 0x8000000000000000) && !write_msr(base, 0x0000800000000000)); // XSA-193
        EXPECT(write_msr(base, 0xffff888000000000) && read_msr(base, value) && value == 0xffff888000000000);
        EXPECT(write_msr(base, 0));
    }
    for (std::uint32_t number :
         {0x1a0u, 0x17u, 0x8bu, 0xc0010015u, 0xc0010010u, 0xc0011029u, 0x48u, 0x10au, 0xc0000103u, 0xc0011027u})
        (void)read_msr(number, value); // whatever they say, and whichever the CPU lacks (XSA-333): nobody stops
}

void control_registers()
{
    std::uint64_t cr0, cr4;
    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    EXPECT((cr0 & 1) != 0 && (cr4 & 1u << 5) != 0);
    asm volatile("mov %0, %%cr4" : : "r"(~0ull)); // masks what a guest may not set, and never faults
    std::uint64_t now4;
    asm volatile("mov %%cr4, %0" : "=r"(now4));
    EXPECT((now4 & (1u << 7 | 1u << 12 | 1u << 13 | 1u << 17 | 1u << 20 | 1u << 21 | 1u << 22)) == 0);
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
    // SIDT and friends work as ever: UMIP is off for guests.
    static std::uint8_t table[16];
    asm volatile("sidt %0" : "=m"(table));
    asm volatile("sgdt %0" : "=m"(table));
    asm volatile("mov %0, %%cr4" : : "r"(cr4 | 4)); // TSD
    EXPECT(USER_TRAPS(13, "rdtsc", 0));
    (void)read_tsc(); // the kernel is served
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
    EXPECT(USER("rdtsc", 0));
}

void segment_base_instructions()
{
    std::uint64_t cr4;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    EXPECT((cr4 & 1u << 16) == 0);
    EXPECT(TRAPS(6, "rdgsbase %%rax")); // off in hardware while the guest has it off (XSA-293)
    if ((cpuid(7).b & 1) == 0)
        return;
    asm volatile("mov %0, %%cr4" : : "r"(cr4 | 1u << 16));
    asm volatile("wrgsbase %0" : : "r"(0x123456789000ull));
    sleep_until(now() + 3 * kMillisecond); // off the CPU and back
    std::uint64_t base = 0, value = 0;
    asm volatile("rdgsbase %0" : "=r"(base));
    EXPECT_EQ(base, 0x123456789000);
    EXPECT(read_msr(0xc0000101, value) && value == 0x123456789000);
    EXPECT(USER("mov $0x7000, %%eax; wrgsbase %%rax", 0)); // the user's own
    EXPECT(read_msr(0xc0000101, value) && value == 0x123456789000);
    EXPECT(read_msr(0xc0000102, value) && value == 0x7000);
    asm volatile("mov %0, %%cr4" : : "r"(cr4));
    EXPECT(TRAPS(6, "rdgsbase %%rax"));
}

// IA32_TSC_AUX is the vCPU's own, whoever shares the CPU with it.
constexpr std::uint32_t kTscAux = 0xc0000103;
std::uint64_t volatile wrong_in_second = 0;

void set_tsc_aux(std::uint32_t value)
{
    asm volatile("wrmsr" : : "c"(kTscAux), "a"(value), "d"(0));
}

std::uint32_t tsc_aux()
{
    std::uint32_t aux;
    asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    return aux;
}

void second_with_its_own()
{
    set_tsc_aux(9);
    for (unsigned turn = 0; turn < 20; ++turn)
    {
        call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        wrong_in_second = wrong_in_second + (tsc_aux() != 9 ? 1 : 0);
    }
}

void processor_number_follows()
{
    if ((cpuid(0x80000001).d & 1u << 27) == 0)
        return;
    set_tsc_aux(7);
    start_second(second_with_its_own);
    unsigned wrong = 0, turns = 0;
    for (; !second_ended(); ++turns)
    {
        call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        wrong += tsc_aux() != 7 ? 1 : 0;
    }
    EXPECT(turns >= 20);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(wrong_in_second, 0);
}

} // namespace

void run()
{
    before_any_handler();
    install_shared();
    install_traps();
    install_user_mode();
    hidden_features();
    xsave_is_consistent();
    task_switched_survives_idling();
    registers_that_matter();
    control_registers();
    segment_base_instructions();
    processor_number_follows();
    finish();
}
