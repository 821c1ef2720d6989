// SPDX-License-Identifier: MIT
// FPU and vector state of vCPUs: saved when a vCPU leaves its CPU, loaded eagerly when it comes back.
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/pv/fpu.hpp>
#include <core/domain/vcpu.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kCr0TaskSwitched = 1u << 3;
constexpr std::size_t kLegacySize = 512;
constexpr std::size_t kControlWord = 0; // FXSAVE layout, Intel SDM vol. 1, table 10-2
constexpr std::size_t kMxcsr = 24;

void clear_task_switched()
{
    asm volatile("clts" : : : "memory");
}

// Sets what a reset leaves: FCW 0x37f, MXCSR 0x1f80, everything else initial (header of zeroes).
void write_reset_image(std::byte* area, std::size_t bytes)
{
    __builtin_memset(area, 0, bytes);
    std::uint16_t const control = 0x37f;
    std::uint32_t const mxcsr = 0x1f80;
    __builtin_memcpy(area + kControlWord, &control, sizeof(control));
    __builtin_memcpy(area + kMxcsr, &mxcsr, sizeof(mxcsr));
}

// AMD's FXRSTOR and XRSTOR restore the pointers to the last x87 instruction and its operand (FIP, FDP, FOP) only from an
// image with a pending exception (FSW.ES), and leave the registers alone otherwise, unless CPUID Fn8000_0008 EBX[2]
// (RstrFpErrPtrs) says that they always restore them (AMD APM vol. 5, FXRSTOR; vol. 3, E.4.7). The next vCPU could then read
// with FNSTENV where the previous one's code and data lie (CVE-2006-1056). FNINIT sets all three to zero; what else it
// changes is about to be restored. It never raises a pending exception.
void clear_error_pointers()
{
    if (cpu_features().fpu_pointers_linger)
        asm volatile("fninit" : : : "memory");
}

bool restore_xsave(std::byte const* area)
{
    asm volatile goto("1: xrstor64 (%0)\n\t" HV_FIXUP("1b", "%l3")
                      :
                      : "r"(area), "a"(~0u), "d"(~0u)
                      : "memory"
                      : refused);
    return true;
refused:
    return false;
}

bool restore_legacy(std::byte const* area)
{
    asm volatile goto("1: fxrstor64 (%0)\n\t" HV_FIXUP("1b", "%l1") : : "r"(area) : "memory" : refused);
    return true;
refused:
    return false;
}

// The tools may give any image; one that the CPU refuses becomes the reset state.
template<bool (*kRestore)(std::byte const*)>
void restore_or_reset(PvState& pv)
{
    if (kRestore(pv.fpu)) [[likely]]
        return;
    write_reset_image(pv.fpu, port::fpu_area_size());
    (void)kRestore(pv.fpu);
}

void set_task_switched()
{
    write_cr0(read_cr0() | kCr0TaskSwitched);
}

} // namespace

std::size_t port::fpu_area_size()
{
    return cpu_features().xsave ? cpu_features().xsave_size : kLegacySize;
}

void port::reset_fpu(Vcpu& vcpu)
{
    write_reset_image(vcpu.pv.fpu, fpu_area_size());
}

void port::set_fpu(Vcpu& vcpu, std::byte const* legacy, std::size_t bytes)
{
    write_reset_image(vcpu.pv.fpu, fpu_area_size());
    __builtin_memcpy(vcpu.pv.fpu, legacy, bytes < kLegacySize ? bytes : kLegacySize);
    if (cpu_features().xsave)
    {
        std::uint64_t const components = 3; // x87 and SSE are in the image
        __builtin_memcpy(vcpu.pv.fpu + kLegacySize, &components, sizeof(components));
    }
}

void port::get_fpu(Vcpu const& vcpu, std::byte* legacy, std::size_t bytes)
{
    __builtin_memcpy(legacy, vcpu.pv.fpu, bytes < kLegacySize ? bytes : kLegacySize);
}

void save_fpu(PvState& pv)
{
    clear_task_switched();
    if (cpu_features().xsave)
    {
        write_xcr0(cpu_features().xcr0_supported); // also components that the guest has turned off since it used them
        asm volatile("xsave64 (%0)" : : "r"(pv.fpu), "a"(~0u), "d"(~0u) : "memory");
    }
    else
        asm volatile("fxsave64 (%0)" : : "r"(pv.fpu) : "memory");
}

void load_fpu(PvState& pv)
{
    clear_task_switched();
    clear_error_pointers();
    if (cpu_features().xsave)
    {
        write_xcr0(cpu_features().xcr0_supported);
        restore_or_reset<restore_xsave>(pv);
        write_xcr0(pv.xcr0);
    }
    else
        restore_or_reset<restore_legacy>(pv);
    if (pv.fpu_task_switched) [[unlikely]]
        set_task_switched();
}

void load_fpu_controls(PvState const& pv)
{
    if (cpu_features().xsave)
        write_xcr0(pv.xcr0);
    if (pv.fpu_task_switched)
        set_task_switched();
    else
        clear_task_switched();
}

} // namespace hv
