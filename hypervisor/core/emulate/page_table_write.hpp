// SPDX-License-Identifier: MIT
// A guest store to a page table that it may only read (surface 2.6): what the instruction would make of the entry.
//
// The caller owns the entry. It decodes once, then under its lock repeats { read the entry, plan, validate the new
// value, compare-exchange } until the exchange succeeds, and commits. Nothing of the guest changes before commit().
#pragma once

#include <core/emulate/context.hpp>
#include <core/emulate/decoder.hpp>

#include <cstdint>

namespace hv::emulate
{

class PageTableWrite
{
public:
    // Reads and decodes the instruction at rip, which faulted writing to `fault_address`. Fetches the operand of MOVS
    // from guest memory too. Inval: not a store that can be emulated, or not one inside one aligned 8-byte entry around
    // `fault_address`. Fault: code or operand cannot be read. In both cases the guest gets its page fault.
    [[nodiscard]] Result<void> decode(EmulationContext& context, std::uint64_t fault_address);

    struct Plan
    {
        std::uint64_t entry = 0;          // the whole new entry
        bool stores = true;               // false: a CMPXCHG that does not match; nothing to write
        std::uint64_t flags = 0;          // RFLAGS after the instruction
        std::uint64_t register_value = 0; // for XCHG, XADD, failed CMPXCHG
    };
    // What the instruction does when the entry holds `current`. Pure: may be repeated.
    [[nodiscard]] Plan plan(EmulationContext& context, std::uint64_t current) const;

    // The store has been made as planned: updates registers, flags and rip. True: the guest gets #DB as a trap, its dr6
    // has been updated.
    [[nodiscard]] bool commit(EmulationContext& context, Plan const& plan) const;

    // Address of the entry (8-byte aligned), and of the bytes written.
    [[nodiscard]] std::uint64_t entry_address() const { return address_ & ~7ull; }
    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] unsigned size() const { return instruction_.operand_size; }
    // The bytes that `plan` writes at address(), right-aligned: for stores to device memory.
    [[nodiscard]] std::uint64_t written(Plan const& plan) const
    {
        return (plan.entry >> shift()) & size_mask(instruction_.operand_size);
    }
    // The instruction takes the old value into account, so the store must be a compare-exchange.
    [[nodiscard]] bool reads_entry() const;

private:
    [[nodiscard]] unsigned shift() const { return static_cast<unsigned>(address_ & 7) * 8; }
    [[nodiscard]] bool is_string() const
    {
        return instruction_.operation == Operation::MoveString || instruction_.operation == Operation::StoreString;
    }
    [[nodiscard]] std::uint64_t target(EmulationContext& context) const;
    [[nodiscard]] Result<void> load_operand(EmulationContext& context);
    void step_string(Registers& registers) const;

    Instruction instruction_{};
    std::uint64_t address_ = 0;
    std::uint64_t operand_ = 0; // source operand, or the bit number
};

} // namespace hv::emulate
