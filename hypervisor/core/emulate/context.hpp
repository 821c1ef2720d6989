// SPDX-License-Identifier: MIT
// Input and outcome of emulating one instruction.
#pragma once

#include <core/domain/domain.hpp>
#include <core/emulate/emulation_port.hpp>
#include <core/emulate/registers.hpp>

#include <cstdint>

namespace hv::emulate
{

struct EmulationContext
{
    Vcpu& vcpu;
    Registers& registers; // see the note at Registers: nothing beyond `ss`
    EmulationPort& port;

    [[nodiscard]] bool kernel() const { return vcpu.pv.in_kernel; }
    [[nodiscard]] SegmentBases bases() const { return {port.fs_base(), port.gs_base()}; }
};

inline constexpr std::uint8_t kVectorDebug = 1;
inline constexpr std::uint8_t kVectorInvalidOpcode = 6;
inline constexpr std::uint8_t kVectorGeneralProtection = 13;
inline constexpr std::uint8_t kVectorPageFault = 14;

inline constexpr std::uint32_t kPageFaultWrite = 1u << 1;
inline constexpr std::uint32_t kPageFaultUser = 1u << 2;
inline constexpr std::uint32_t kPageFaultFetch = 1u << 4;

enum class EmulationOutcome : std::uint8_t
{
    Done,       // carried out; rip points at the next instruction (or at this one again, for REP)
    Fault,      // nothing carried out; give the guest `vector`, with `error` where the vector has one
    NotHandled, // nothing carried out; the guest gets the exception that brought it here
};

struct EmulationResult
{
    EmulationOutcome outcome = EmulationOutcome::NotHandled;
    bool debug_trap = false; // Done only: then give the guest #DB as a trap; its dr6 has been updated already
    std::uint8_t vector = 0;
    std::uint32_t error = 0;
    std::uint64_t address = 0; // CR2 of a page fault

    static EmulationResult done() { return {EmulationOutcome::Done, false, 0, 0, 0}; }
    static EmulationResult not_handled() { return {}; }
    static EmulationResult fault(std::uint8_t vector, std::uint32_t error = 0)
    {
        return {EmulationOutcome::Fault, false, vector, error, 0};
    }
    // A data access that the guest's tables do not allow. The U bit says guest user mode, as for reflected faults.
    static EmulationResult page_fault(EmulationContext const& context, std::uint64_t address, std::uint32_t error)
    {
        return {EmulationOutcome::Fault, false, kVectorPageFault, error | (context.kernel() ? 0 : kPageFaultUser),
                address};
    }
};

} // namespace hv::emulate
