// SPDX-License-Identifier: MIT
// The machine's side of the port: memory, roots, segments. Time, TLB and other CPUs are in time/ and smp/.
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/pv/fpu.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <arch/x86_64/pv/segments.hpp>
#include <arch/x86_64/pv/window.hpp>
#include <arch/x86_64/smp/tlb.hpp>
#include <core/domain/domain.hpp>
#include <core/mm/frame_table.hpp>
#include <core/trace/last_hypercalls.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

#include <config.hpp>

namespace hv
{

CpuId port::cpu_id()
{
    return CpuId{this_cpu().id};
}

std::uint32_t port::online_cpus()
{
    return cpu_count();
}

Vcpu* port::current()
{
    return this_cpu().current;
}

std::byte* port::frame_data(Mfn frame)
{
    return reinterpret_cast<std::byte*>(layout::kDirectMap + to_address(frame).raw());
}

Mfn port::max_mfn()
{
    return g_frames.end;
}

std::uint64_t* port::m2p()
{
    static std::uint64_t* const view = m2p_writable();
    return view;
}

std::uint32_t port::m2p_chunks()
{
    return m2p_chunk_count();
}

Mfn port::m2p_chunk_frame(std::uint32_t index)
{
    return m2p_chunk(index);
}

std::span<abi::e820entry const> port::machine_memory_map()
{
    static abi::e820entry map[BootInfo::kMaxMemoryMap];
    std::size_t count = 0;
    for (MemoryMapEntry const& entry : boot_info().memory())
        map[count++] = {entry.start, entry.length, entry.type};
    return {map, count};
}

void port::write_back_caches()
{
    asm volatile("wbinvd" : : : "memory");
}

void port::write_back_frame(Mfn frame)
{
    constexpr std::size_t kLine = 64; // of every 64-bit CPU
    std::byte const* const data = port::frame_data(frame);
    for (std::size_t offset = 0; offset < kPageSize; offset += kLine)
        asm volatile("clflush (%0)" : : "r"(data + offset) : "memory");
    asm volatile("mfence" : : : "memory");
}

void port::load_roots(Vcpu& vcpu)
{
    load_root(vcpu.pv.in_kernel ? vcpu.pv.kernel_root : vcpu.pv.user_root);
    flush_everything();
}

void port::task_switched_changed(Vcpu& vcpu)
{
    load_fpu_controls(vcpu.pv);
}

void port::set_segment_base(Vcpu& vcpu, SegmentBase which, std::uint64_t base)
{
    // In guest kernel mode, where hypercalls come from: the kernel's GS is active, the user's is what SWAPGS brings.
    switch (which)
    {
    case SegmentBase::Fs:
        vcpu.pv.fs_base = base;
        write_msr(msr::kFsBase, base);
        break;
    case SegmentBase::GsUser:
        vcpu.pv.gs_base_user = base;
        write_msr(msr::kKernelGsBase, base);
        break;
    case SegmentBase::GsKernel:
        vcpu.pv.gs_base_kernel = base;
        write_msr(msr::kGsBase, base);
        break;
    }
}

void port::set_user_gs_selector(Vcpu& vcpu, std::uint16_t selector)
{
    load_user_gs_selector(vcpu.pv, selector);
}

Mfn frame_of_image(void const* address)
{
    return to_mfn(MachineAddress{reinterpret_cast<std::uint64_t>(address) - layout::kImage});
}

void port::log_guest_state()
{
    TrapFrame const& frame = guest_frame(this_cpu());
    Vcpu const& vcpu = *this_cpu().current;
    log_error("  vCPU {} of domain {}, {} mode, vector {x} error {x} cr2 {x}", vcpu.id(), vcpu.domain().id(),
              vcpu.pv.in_kernel ? "kernel" : "user", frame.vector, frame.error_code, vcpu.info->arch.cr2);
    log_error("  rip {x} rflags {x} rsp {x} rax {x}", frame.rip, frame.rflags, frame.rsp, frame.rax);
    log_error("  rdi {x} rsi {x} rdx {x} r8 {x} r9 {x} r10 {x}", frame.rdi, frame.rsi, frame.rdx, frame.r8, frame.r9,
              frame.r10);
    if (frame.vector < kVectorSyscall) // a hypercall's frame does not have them
        log_error("  rcx {x} r11 {x} rbx {x} rbp {x} r12 {x} r13 {x} r14 {x} r15 {x} cs {x} ss {x}", frame.rcx,
                  frame.r11, frame.rbx, frame.rbp, frame.r12, frame.r13, frame.r14, frame.r15, frame.cs, frame.ss);
    std::uint64_t words[64];
    if (vcpu.pv.in_kernel && port::copy_from_guest(words, GuestVirtual{frame.rsp}, sizeof(words)))
        for (unsigned i = 0; i < 64; i += 4)
            log_error("  stack {x} {x} {x} {x}", words[i], words[i + 1], words[i + 2], words[i + 3]);
    log_last_hypercalls(vcpu);
}

} // namespace hv
