// SPDX-License-Identifier: MIT
// Rows of exceptions handed back to the guest, instructions emulated for it, and user mode.
#include <tests/bench/hypervisor/guest/bench.hpp>
#include <tests/bench/hypervisor/guest/handlers.hpp>

namespace bench
{
namespace
{

void set_handler(unsigned vector, void (*handler)(), unsigned flags)
{
    static abi::trap_info table[2];
    table[0].vector = static_cast<std::uint8_t>(vector);
    table[0].flags = static_cast<std::uint8_t>(flags);
    table[0].cs = FLAT_KERNEL_CS;
    table[0].address = reinterpret_cast<std::uint64_t>(handler);
    BENCH_REQUIRE(call(__HYPERVISOR_set_trap_table, guest::address(table)), 0);
}

void measure_emulated()
{
    report("read_cr0", least([](unsigned) {
               std::uint64_t value;
               asm volatile("mov %%cr0, %0" : "=r"(value));
           }));
    report("rdmsr_fs_base", least([](unsigned) { asm volatile("rdmsr" : : "c"(0xc0000100) : "rax", "rdx"); }));
    report("cpuid_prefixed", least([](unsigned) {
               std::uint32_t leaf = 0, sub_leaf = 0;
               asm volatile("ud2a; .ascii \"xen\"; cpuid" : "+a"(leaf), "+c"(sub_leaf) : : "ebx", "edx");
           }));
}

} // namespace

void measure_reflection()
{
    set_handler(3, bench_int3, 3);
    report("int3", least([](unsigned) { asm volatile("int3" : : : "rcx", "r11", "memory"); }));
    set_handler(14, bench_page_fault, 0);
    void const* const nowhere = reinterpret_cast<void const*>(0x70000000);
    report("page_fault", least([&](unsigned) { bench_touch(nowhere); }));
    measure_emulated();
}

void measure_user_mode()
{
    // The user root shows the same lower half as the kernel's: programs of both modes are in one image.
    alignas(16) static std::uint64_t user_stack[512], entry_stack[512];
    std::uint64_t const* const kernel_root = reinterpret_cast<std::uint64_t const*>(guest::start_info->pt_base);
    std::uint64_t* const user_root = guest::page(10);
    user_root[0] = kernel_root[0];
    BENCH_REQUIRE(guest::make_read_only(user_root), 0);
    BENCH_REQUIRE(guest::extended(MMUEXT_PIN_L4_TABLE, guest::frame_of(user_root)), 0);
    BENCH_REQUIRE(guest::extended(MMUEXT_NEW_USER_BASEPTR, guest::frame_of(user_root)), 0);
    BENCH_REQUIRE(call(__HYPERVISOR_set_callbacks, reinterpret_cast<std::uint64_t>(bench_upcall),
                       reinterpret_cast<std::uint64_t>(bench_upcall),
                       reinterpret_cast<std::uint64_t>(bench_system_call)),
                  0);
    BENCH_REQUIRE(call(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, guest::address(entry_stack + 512)), 0);
    bench_run_user(bench_user_program, user_stack + 510);
    guest::shared().vcpu_info[0].evtchn_upcall_mask = 1;
    report("user_system_call", bench_user_best - empty_cost);
}

} // namespace bench
