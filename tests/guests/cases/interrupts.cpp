// SPDX-License-Identifier: MIT
// Interrupt numbers that are not there, mapped twice, ended never (gotcha 49). The machine has no PCI device of use here:
// lines only, and refusals.
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

long physdev(unsigned command, void* args)
{
    return call(__HYPERVISOR_physdev_op, command, address(args));
}

long map_line(int line, int number = -1)
{
    abi::physdev_map_pirq args{};
    args.domid = DOMID_SELF;
    args.type = MAP_PIRQ_TYPE_GSI;
    args.index = line;
    args.pirq = number;
    long const result = physdev(PHYSDEVOP_map_pirq, &args);
    return result < 0 ? result : args.pirq;
}

long unmap(int number)
{
    abi::physdev_unmap_pirq args{DOMID_SELF, number};
    return physdev(PHYSDEVOP_unmap_pirq, &args);
}

void lines()
{
    EXPECT_EQ(map_line(9, 9), 9);
    EXPECT_EQ(map_line(9, 9), 9); // again is no harm
    EXPECT(map_line(100000) < 0);
    EXPECT(map_line(-5) < 0);
    EXPECT(map_line(9, 100000) < 0);
    abi::physdev_eoi end{100000};
    EXPECT_EQ(physdev(PHYSDEVOP_eoi, &end), -22);
    end.irq = 9;
    for (unsigned i = 0; i < 5; ++i)
        (void)physdev(PHYSDEVOP_eoi, &end); // without an interrupt
    abi::evtchn_bind_pirq bind{};
    bind.pirq = 77;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, address(&bind)), -22);
    bind.pirq = 9;
    bind.flags = BIND_PIRQ__WILL_SHARE; // with others, not with itself
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, address(&bind)), 0);
    abi::evtchn_bind_pirq twice{};
    twice.pirq = 9;
    twice.flags = BIND_PIRQ__WILL_SHARE;
    EXPECT(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, address(&twice)) < 0);
    (void)unmap(9); // bound: in use
    abi::evtchn_close close{bind.port};
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_close, address(&close)), 0);
    (void)unmap(9);
    EXPECT(unmap(9) < 0); // unpaired
    EXPECT(unmap(100000) < 0);
    EXPECT(unmap(-1) < 0);
}

void messages()
{
    abi::physdev_map_pirq args{};
    args.domid = DOMID_SELF;
    args.type = MAP_PIRQ_TYPE_MULTI_MSI;
    args.index = args.pirq = -1;
    args.bus = 0;
    args.devfn = 0xff;
    for (int count : {0, 1, 3, 33, 1000000, -1})
    {
        args.entry_nr = static_cast<unsigned short>(count);
        EXPECT(physdev(PHYSDEVOP_map_pirq, &args) < 0); // no such function
    }
    args.type = MAP_PIRQ_TYPE_MSI_SEG;
    args.table_base = 0xffff840000000000;
    EXPECT(physdev(PHYSDEVOP_map_pirq, &args) < 0);
    args.type = 99;
    EXPECT(physdev(PHYSDEVOP_map_pirq, &args) < 0);
    abi::physdev_pirq_eoi_gmfn page_args{frame_of(reinterpret_cast<void*>(start_info->pt_base))};
    EXPECT_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &page_args), -22); // a page table
    page_args.gmfn = frame_of(page(0));
    EXPECT_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &page_args), 0);
    EXPECT_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &page_args), -16);
}

void a_guest_has_none()
{
    install_shared();
    install_traps();
    EXPECT_EQ(map_line(9, 9), -1);
    EXPECT_EQ(unmap(9), -1);
    abi::physdev_eoi end{9};
    EXPECT_EQ(physdev(PHYSDEVOP_eoi, &end), -22);
    abi::evtchn_bind_pirq bind{};
    bind.pirq = 9;
    EXPECT(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, address(&bind)) < 0);
    // Ports: whatever the virtual privilege level, a guest without rights reads ones and its writes go nowhere.
    std::uint32_t level = 3;
    EXPECT_EQ(physdev(PHYSDEVOP_set_iopl, &level), 0);
    std::uint32_t value = 0;
    asm volatile("mov $0xcf8, %%edx; mov $0x80000000, %%eax; out %%eax, %%dx; mov $0xcfc, %%edx; in %%dx, %%eax"
                 : "=a"(value)
                 :
                 : "rdx");
    EXPECT_EQ(value, 0xffffffff);
    // Ports that never read as ones: the serial line's status, the interrupt controller's mask, the system control port.
    for (std::uint16_t port : {0x3fd, 0x21, 0x61})
    {
        std::uint8_t byte = 0;
        asm volatile("in %1, %0" : "=a"(byte) : "d"(port));
        EXPECT_EQ(byte, 0xff);
    }
    asm volatile("mov $0x64, %%edx; mov $0xfe, %%al; out %%al, %%dx" : : : "rax", "rdx"); // would reset the machine
    asm volatile("mov $0xcf9, %%edx; mov $0x06, %%al; out %%al, %%dx" : : : "rax", "rdx");
    child_ends();
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    lines();
    messages();
    expect_good_end(start_child(a_guest_has_none));
    finish();
}
