// SPDX-License-Identifier: MIT
// The SYSCALL stub of each CPU: LSTAR differs per CPU, so the stub finds its stack by its own place, without GS.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/entry.hpp>

namespace hv
{
namespace
{

class CodeWriter
{
public:
    CodeWriter(std::uint8_t* at, std::uint64_t address) : at_(at), address_(address) {}

    // `opcode` of `length` bytes followed by a 32-bit displacement to `target` from the end of the instruction.
    void relative(std::uint32_t opcode, unsigned length, std::uint64_t target)
    {
        for (unsigned i = 0; i < length; ++i)
            *at_++ = static_cast<std::uint8_t>(opcode >> (8 * i));
        address_ += length + 4;
        auto const displacement = static_cast<std::uint32_t>(target - address_);
        for (unsigned i = 0; i < 4; ++i)
            *at_++ = static_cast<std::uint8_t>(displacement >> (8 * i));
    }

private:
    std::uint8_t* at_;
    std::uint64_t address_;
};

// mov %rsp, slot(%rip); lea slot(%rip), %rsp; jmp target: the frame's rsp slot is 16 bytes below the stack's top.
void write_stub(std::uint8_t* page, std::uint64_t stub, std::uint64_t slot, std::uint64_t target)
{
    CodeWriter code(page, stub);
    code.relative(0x258948, 3, slot); // 48 89 25 rel32
    code.relative(0x258d48, 3, slot); // 48 8d 25 rel32
    code.relative(0xe9, 1, target);
}

} // namespace

void install_syscall_stub(CpuId cpu, void* writable_page)
{
    std::uint64_t const region = layout::cpu_region(cpu);
    std::uint64_t const slot = region + layout::kCpuStackTop - 16;
    auto* page = static_cast<std::uint8_t*>(writable_page);
    std::uint64_t const stub = region + layout::kCpuStub;
    write_stub(page, stub, slot, reinterpret_cast<std::uint64_t>(&entry_syscall64));
    write_stub(page + kStubCompatOffset, stub + kStubCompatOffset, slot,
               reinterpret_cast<std::uint64_t>(&entry_syscall32));
}

} // namespace hv
