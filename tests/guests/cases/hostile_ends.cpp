// SPDX-License-Identifier: MIT
// Guests that leave the hypervisor no way to go on with them: each ends alone, with its reason, and leaves nothing behind
// (gotchas 2, 4, 12; who-may-crash-whom, "what happens to whom", 2).
#include <tests/guests/runtime/child.hpp>

#include <utility>

using namespace guest;

namespace
{

constexpr char const* kStack = "its kernel stack cannot be written";
constexpr char const* kHandler = "no handler for an exception";

void with_traps()
{
    install_shared();
    install_traps();
}

void no_handlers_at_all()
{
    asm volatile("ud2");
}

template<std::uint64_t kPointer>
void stack_at()
{
    with_traps();
    asm volatile("mov %0, %%rsp; ud2" : : "r"(kPointer) : "memory");
}

// The hypervisor's own view of one of the guest's pages: there it can write, and only a look at the address keeps it off.
void stack_in_the_direct_map()
{
    with_traps();
    std::uint64_t const pointer = 0xffff840000000000 + (frame_of(page(1)) << 12) + 2048;
    asm volatile("mov %0, %%rsp; ud2" : : "r"(pointer) : "memory");
}

void push_through_noncanonical_stack()
{
    with_traps();
    asm volatile("mov %0, %%rsp; pushfq" : : "r"(0x800000000badc0de) : "memory");
}

void read_only_stack()
{
    with_traps();
    make_read_only(page(0));
    asm volatile("mov %0, %%rsp; ud2" : : "r"(page(0) + 512) : "memory");
}

void handler_without_address()
{
    install_shared();
    static abi::trap_info table[2] = {{13, 0, FLAT_KERNEL_CS, 0x100000}, {}};
    call(__HYPERVISOR_set_trap_table, address(table));
    asm volatile("ud2");
}

void iret_from_nowhere()
{
    with_traps();
    asm volatile("mov $0x7000000000, %%rsp; mov $23, %%eax; syscall" : : : "memory");
}

// The first kWords of the frame lie at the end of a page, nothing behind it.
template<unsigned kWords>
void iret_from_a_cut_frame()
{
    with_traps();
    page(0)[512 - kWords] = 0;
    EXPECT_EQ(map(page(1), 0), 0);
    if constexpr (kWords > 5)
        page(0)[512 - kWords + 5] = 0xe030; // cs of the kernel
    asm volatile("mov %0, %%rsp; mov $23, %%eax; syscall" : : "r"(page(0) + 512 - kWords) : "memory");
}

template<unsigned... kWords>
void cut_frames(std::integer_sequence<unsigned, kWords...>)
{
    (expect_crash(start_child(iret_from_a_cut_frame<kWords + 1>), "the frame of its iret cannot be read"), ...);
}

void user_mode_without_root()
{
    with_traps();
    asm volatile("pushq $0xe02b; pushq %%rsp; pushq $0x202; pushq $0xe033; pushq $0x1000; pushq $0; pushq $0; pushq "
                 "$0; pushq $0\n\t"
                 "mov $23, %%eax; syscall"
                 :
                 :
                 : "memory");
}

template<std::uint64_t kPointer>
void kernel_stack_at()
{
    with_traps();
    install_user_mode();
    call(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, kPointer);
    std::uint64_t code;
    asm volatile("jmp 2f; 1: ud2; 2: lea 1b(%%rip), %0" : "=r"(code));
    run_user(code);
}

void event_without_callback()
{
    with_traps();
    shared().vcpu_info[0].evtchn_upcall_mask = 0;
    send(loopback_port());
    call(__HYPERVISOR_xen_version, 0);
}

void failing_frame_of_an_upcall()
{
    with_traps();
    install_upcalls();
    std::uint32_t const port = loopback_port();
    shared().vcpu_info[0].evtchn_upcall_mask = 1;
    send(port);
    // The stack is bad and the next event is due: the frame cannot be pushed.
    asm volatile("mov $0xffff870000000000, %%rsp; movb $0, %0; mov $17, %%eax; xor %%edi, %%edi; syscall"
                 : "+m"(shared().vcpu_info[0].evtchn_upcall_mask)
                 :
                 : "memory");
}

void last_vcpu_goes_down()
{
    with_traps();
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0), 1);
    call(__HYPERVISOR_vcpu_op, VCPUOP_down, 0);
    for (;;)
        call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    expect_crash(start_child(no_handlers_at_all), kHandler);
    expect_crash(start_child(stack_at<0xffff840000200000>), kStack); // our text, in our direct map
    expect_crash(start_child(stack_in_the_direct_map), kStack);
    expect_crash(start_child(stack_at<0xffff800000001000>), kStack); // the machine-to-phys table
    expect_crash(start_child(stack_at<0xffff880000000010>), kStack); // above the hole: the frame would reach into it
    expect_crash(start_child(stack_at<0x7000000000>), kStack);       // nothing mapped
    expect_crash(start_child(stack_at<0x8000000000000000>), kStack); // not canonical
    expect_crash(start_child(push_through_noncanonical_stack), kStack);
    expect_crash(start_child(read_only_stack), kStack);
    expect_crash(start_child(handler_without_address), kHandler);
    expect_crash(start_child(iret_from_nowhere), "the frame of its iret cannot be read");
    cut_frames(std::make_integer_sequence<unsigned, 8>());
    expect_crash(start_child(user_mode_without_root), "iret to user mode without a user page table");
    expect_crash(start_child(kernel_stack_at<0x8000000000000000>), kStack);
    expect_crash(start_child(kernel_stack_at<0xffff83fffffff000>), kStack);
    expect_crash(start_child(event_without_callback), kHandler);
    expect_crash(start_child(failing_frame_of_an_upcall), kStack);
    expect_good_end(start_child(last_vcpu_goes_down)); // the last one down is an orderly end (gotcha 57)
    finish();
}
