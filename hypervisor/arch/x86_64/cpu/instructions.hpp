// SPDX-License-Identifier: MIT
// The instructions C++ has no words for, each as one inline function.
#pragma once

#include <cstdint>

namespace hv
{

inline std::uint8_t in8(std::uint16_t port)
{
    std::uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline std::uint16_t in16(std::uint16_t port)
{
    std::uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline std::uint32_t in32(std::uint16_t port)
{
    std::uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline void out8(std::uint16_t port, std::uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

inline void out16(std::uint16_t port, std::uint16_t value)
{
    asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

inline void out32(std::uint16_t port, std::uint32_t value)
{
    asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

// RDMSR and RDTSC clear the upper halves of both registers (Intel SDM vol. 2).
inline std::uint64_t read_msr(std::uint32_t index)
{
    std::uint64_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return high << 32 | low;
}

inline void write_msr(std::uint32_t index, std::uint64_t value)
{
    asm volatile("wrmsr"
                 :
                 : "c"(index), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

struct CpuidRegisters
{
    std::uint32_t eax, ebx, ecx, edx;
};

inline CpuidRegisters cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0)
{
    CpuidRegisters r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline std::uint64_t read_cr0()
{
    std::uint64_t value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

inline void write_cr0(std::uint64_t value)
{
    asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

inline std::uint64_t read_cr2()
{
    std::uint64_t value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

inline std::uint64_t read_cr3()
{
    std::uint64_t value;
    asm volatile("mov %%cr3, %0" : "=r"(value));
    return value;
}

inline void write_cr3(std::uint64_t value)
{
    asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

inline std::uint64_t read_cr4()
{
    std::uint64_t value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

inline void write_cr4(std::uint64_t value)
{
    asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

inline void write_xcr0(std::uint64_t value)
{
    asm volatile("xsetbv"
                 :
                 : "c"(0), "a"(static_cast<std::uint32_t>(value)), "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

inline void invlpg(std::uint64_t address)
{
    asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

inline std::uint64_t read_tsc()
{
    std::uint64_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 32 | low;
}

// Waits for earlier loads, so that the counter is not read ahead of them (Intel SDM, RDTSC).
inline std::uint64_t read_tsc_ordered()
{
    asm volatile("lfence" : : : "memory");
    return read_tsc();
}

inline void pause()
{
    asm volatile("pause" : : : "memory");
}

[[noreturn]] inline void halt_forever()
{
    for (;;)
        asm volatile("cli; hlt" : : : "memory");
}

} // namespace hv
