// SPDX-License-Identifier: MIT
// Which vCPU's hardware state a CPU carries: the decisions of the context switch, apart from the registers themselves, so
// that they can be tested with threads for CPUs.
//
// A vCPU's state stays on its CPU until another vCPU comes, although the vCPU may have stopped long ago. Who wants to load
// it elsewhere makes the old CPU let go first.
//
// Invariant: Vcpu::loaded_cpu == c exactly when CPU c's `loaded` is that vCPU, as far as other CPUs can see; both change on
// the CPU itself with interrupts off, and only the CPU that holds a vCPU's state says that it no longer does.
// A CPU that has chosen its next vCPU but still waits for that one's old CPU carries its previous one as lazily as an idle
// CPU does: two CPUs that exchange their vCPUs each wait for the other, and each has to let go.
//
// `Cpu` is the port's record of this CPU: `id`, `current` (who runs) and `loaded` (whose state it carries, or nullptr).
#pragma once

#include <core/domain/vcpu.hpp>
#include <lib/atomic.hpp>
#include <lib/cpu_mask.hpp>

namespace hv
{

// The vCPU can go on with the state that is in the hardware.
template<typename Cpu>
bool carries(Cpu const& cpu, Vcpu const& vcpu)
{
    return cpu.loaded == &vcpu && load_acquire(vcpu.loaded_cpu) == cpu.id;
}

// Another CPU may be about to take the vCPU that this one carries without running it. `clear` takes the state out of the
// hardware; only then do others see that it is gone.
template<typename Cpu, typename Clear>
void let_go_if_idle(Cpu& cpu, Clear clear)
{
    if (cpu.loaded == nullptr || cpu.loaded == cpu.current)
        return;
    clear();
    store_release(cpu.loaded->loaded_cpu, kNotLoaded);
    cpu.loaded = nullptr;
}

// From here on this CPU carries `vcpu`, its current one, whose state the caller then loads. `make_let_go(cpu)` returns when
// that CPU has gone through let_go_if_idle(); meanwhile this CPU does so too whenever it is asked.
template<typename Cpu, typename MakeLetGo>
void take_over(Cpu& cpu, Vcpu& vcpu, MakeLetGo make_let_go)
{
    std::uint32_t const old_cpu = load_acquire(vcpu.loaded_cpu);
    if (old_cpu != kNotLoaded && old_cpu != cpu.id)
        make_let_go(CpuId{old_cpu});
    if (cpu.loaded != nullptr) // looked at only now: it may have been let go of while we waited
        store_release(cpu.loaded->loaded_cpu, kNotLoaded);
    cpu.loaded = &vcpu;
    exchange(vcpu.loaded_cpu, cpu.id); // announced before the flush that follows: see core/domain/loaded_cpus.hpp
}

} // namespace hv
