// SPDX-License-Identifier: MIT
// IRETQ at CPL 3 (Intel SDM vol. 2, IRET: return to the same privilege level in 64-bit mode).
#include <arch/x86_64/pv/guest_iret_instruction.hpp>

#include <arch/x86_64/pv/guest_copy.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kFlagsFromStack = 0xdd5 | (1u << 16) | (1u << 18) | (1u << 21); // status, TF, DF, RF, AC, ID
constexpr std::uint64_t kFlagsAlways = (1u << 1) | (1u << 9);

struct ReturnFrame
{
    std::uint64_t rip, cs, rflags, rsp, ss;
};

} // namespace

bool emulate_guest_iret_instruction(Vcpu&, TrapFrame& frame)
{
    std::uint8_t code[2];
    ReturnFrame saved;
    if (copy_from_guest_partly(code, frame.rip, 2) != 2 || code[0] != 0x48 || code[1] != 0xcf)
        return false;
    if (!port::copy_from_guest(&saved, GuestVirtual{frame.rsp}, sizeof(saved)))
        return false;
    // A selector that the guest may not load faults in our own return and becomes the guest's exception there.
    frame.rip = saved.rip;
    frame.cs = static_cast<std::uint16_t>(saved.cs | 3);
    frame.rflags = (saved.rflags & kFlagsFromStack) | kFlagsAlways;
    frame.rsp = saved.rsp;
    frame.ss = static_cast<std::uint16_t>(saved.ss | 3);
    return true;
}

} // namespace hv
