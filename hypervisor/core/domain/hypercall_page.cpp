// SPDX-License-Identifier: MIT
// Hypercall stubs: 128 slots of 32 bytes, one per call number.
#include <core/domain/hypercall_page.hpp>

#include <core/mm/frame.hpp>

#include <port/port.hpp>

#include <initializer_list>

namespace hv
{
namespace
{

constexpr unsigned kSlots = 128;
constexpr unsigned kSlotBytes = 32;

class SlotWriter
{
public:
    explicit SlotWriter(std::byte* at) : at_(at) {}
    SlotWriter& bytes(std::initializer_list<std::uint8_t> list)
    {
        for (std::uint8_t byte : list)
            *at_++ = std::byte{byte};
        return *this;
    }
    SlotWriter& number(std::uint32_t value)
    {
        for (unsigned i = 0; i < 4; ++i)
            *at_++ = std::byte(static_cast<std::uint8_t>(value >> (8 * i)));
        return *this;
    }

private:
    std::byte* at_;
};

} // namespace

void fill_hypercall_page(std::byte* page)
{
    __builtin_memset(page, 0xcc, kPageSize);
    for (unsigned slot = 0; slot < kSlots; ++slot)
    {
        SlotWriter writer(page + slot * kSlotBytes);
        if (slot == __HYPERVISOR_iret) // push rcx, r11, rax; mov $23, eax; syscall: never returns here
            writer.bytes({0x51, 0x41, 0x53, 0x50, 0xb8}).number(slot).bytes({0x0f, 0x05});
        else // push rcx, r11; mov $slot, eax; syscall; pop r11, rcx; ret
            writer.bytes({0x51, 0x41, 0x53, 0xb8}).number(slot).bytes({0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3});
    }
}

Result<void> write_hypercall_page(Domain& domain, GuestFrame frame)
{
    Mfn const target = domain.resolve(frame);
    HV_TRY_VOID(get_writable(target, domain.id()));
    fill_hypercall_page(port::frame_data(target));
    put_writable(target);
    return {};
}

} // namespace hv
