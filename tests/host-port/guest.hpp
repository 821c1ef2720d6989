// SPDX-License-Identifier: MIT
// A guest kernel as far as memory is concerned: it fills page tables in its RAM and makes hypercalls.
#pragma once

#include "machine.hpp"

#include <core/mm/frame.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

#include <cstdint>
#include <functional>
#include <initializer_list>

namespace hv::host
{

inline constexpr std::uint64_t kRead = pte::kPresent | pte::kUser;
inline constexpr std::uint64_t kReadWrite = kRead | pte::kWritable;

class Guest
{
public:
    explicit Guest(Domain& domain) : domain_(&domain) {}

    [[nodiscard]] Domain& domain() const { return *domain_; }
    [[nodiscard]] Vcpu& vcpu() const { return *domain_->vcpus[0]; }
    [[nodiscard]] std::uint16_t id() const { return domain_->id().raw(); }

    // ---- its memory, written as plain data
    [[nodiscard]] Mfn page() const { return guest_page(*domain_); }
    struct Entry
    {
        unsigned index;
        Mfn frame;
        std::uint64_t flags = kReadWrite;
    };
    [[nodiscard]] Mfn table(std::initializer_list<Entry> entries) const; // a new frame with these entries
    static std::uint64_t& entry(Mfn table, unsigned index) { return table_entries(table)[index]; }

    // Four tables that map `frames` read-write from address 0 on.
    struct Space
    {
        Mfn l4, l3, l2, l1;
    };
    [[nodiscard]] Space space(std::initializer_list<Mfn> frames) const;
    // Makes the space the kernel root through the hypervisor's own door, as a vCPU's context does.
    void run_on(Space const& space) const;

    // ---- hypercalls, restarted until they end; the result as rax would hold it
    std::int64_t call(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                      std::uint64_t d = 0);
    std::int64_t mmu_update(std::uint64_t pointer, std::uint64_t value, std::uint32_t foreign = DOMID_SELF);
    std::int64_t set_entry(Mfn table, unsigned index, std::uint64_t value, std::uint32_t foreign = DOMID_SELF)
    {
        return mmu_update((table.raw() << kPageShift) + index * 8, value, foreign);
    }
    std::int64_t extended(unsigned command, std::uint64_t first = 0, std::uint64_t second = 0,
                          std::uint32_t foreign = DOMID_SELF);
    std::int64_t pin(Mfn frame, unsigned level, std::uint32_t foreign = DOMID_SELF)
    {
        return extended(MMUEXT_PIN_L1_TABLE + level - 1, frame.raw(), 0, foreign);
    }
    std::int64_t unpin(Mfn frame, std::uint32_t foreign = DOMID_SELF)
    {
        return extended(MMUEXT_UNPIN_TABLE, frame.raw(), 0, foreign);
    }
    template<typename T>
    std::int64_t memory(unsigned operation, T& arguments)
    {
        T* const copy = guest_new<T>(arguments);
        std::int64_t const result = call(__HYPERVISOR_memory_op, operation, guest_address(copy));
        arguments = *copy;
        return result;
    }

    std::uint32_t restarts = 0;    // of the last call
    std::function<void()> between; // runs after each step of a call

private:
    Domain* domain_;
};

} // namespace hv::host
