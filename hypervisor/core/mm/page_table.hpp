// SPDX-License-Identifier: MIT
// Page tables of guests: what an entry may say, what it owns, and the one door through which entries change.
//
// Invariants
//  1. Every present entry of a validated table owns its references: an L1 entry one general reference of the frame it
//     maps and one writable use if it is writable; a higher entry one typed use (level - 1) and its general reference.
//     Grant mappings (pte::kGrant) own nothing: their maptrack entry does.
//  2. A frame with a use as a table has no writable use, so only we write tables.
//  3. A partial table (kPartial) holds references for entries [0, progress), one type use and one general reference of
//     its own; nobody else holds a typed use of it. Whoever wants the table next carries validation on from there;
//     teardown carries on downwards. A partial table that nobody wants is torn down when the domain dies.
//  4. Slots 256..271 of a validated L4 are ours: the shared hypervisor tables, and in slot 256 the machine-to-phys
//     table once the L4 has been a kernel root. They own nothing.
//  5. All of this changes only under the mmu_lock of the domain that owns the tables. A domain has at most one
//     interrupted teardown per level (deferred_tables); it is finished before any other table operation (deferred.hpp).
//
// Long operations spend a Budget and return Errno::Restart with the state above left consistent.
#pragma once

#include <core/mm/frame.hpp>
#include <core/mm/pte.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>
#include <lib/strong.hpp>
#include <port/port.hpp>

#include <cstdint>

namespace hv
{

class Domain;

// How much more a long operation may do before it must return Errno::Restart; one unit is one entry.
class Budget
{
public:
    constexpr explicit Budget(std::int32_t units) : units_(units) {}
    static constexpr Budget unlimited() { return Budget(0x7fffffff); } // boot, and teardown that is already bounded
    void spend(std::int32_t units) { units_ -= units; }
    [[nodiscard]] bool exhausted() const { return units_ <= 0; }
    [[nodiscard]] std::int32_t left() const { return units_ > 0 ? units_ : 0; }

private:
    std::int32_t units_;
};

// Whose tables are written, and whose frames may be mapped by the new entry.
struct MappingRights
{
    Domain& table_owner;
    DomainId frame_owner; // the table owner itself, DOMID_IO for device memory, DOMID_XEN, or a foreign domain
    bool foreign = false; // frame_owner was named by a privileged caller
};

enum class UpdateKind : std::uint8_t
{
    Normal,
    PreserveAccessedDirty, // keep the A and D bits that hardware may have set meanwhile
};

// ---- Typed references. mmu_lock of the owner held.
// Takes a use of `frame` as a table of `level`, validating it when it is the first. Errors: Inval (owner, contents),
// Busy (in use as something else), Restart.
Result<void> get_table(Domain& owner, Mfn frame, FrameType level, Budget& budget);
// Gives one back. Restart leaves the rest in the domain's deferred tables.
Result<void> put_table(Domain& owner, Mfn frame, FrameType level, Budget& budget);
// Descriptor pages (GDT, LDT): validated by audit, never long. mmu_lock held.
Result<void> get_descriptor_page(Domain& owner, Mfn frame);
void put_descriptor_page(Mfn frame);

// ---- The door. `table` is a validated table of `owner` of `level`, mmu_lock held. `value` is as the guest gave it.
Result<void> update_entry(MappingRights const& rights, Mfn table, FrameType level, unsigned index, std::uint64_t value,
                          UpdateKind kind, Budget& budget);
// As update_entry for an L1, but only if the entry still is `expected` (Errno::Again otherwise).
Result<void> update_leaf_if(MappingRights const& rights, Mfn table, unsigned index, std::uint64_t expected,
                            std::uint64_t value);
// Stores a leaf whose references the caller keeps (grant mappings); drops those of the old entry.
std::uint64_t exchange_leaf_raw(Domain& owner, std::uint64_t& entry, std::uint64_t value);

// ---- Walking the tables under `root` in memory. mmu_lock held.
// Direct view of a table.
inline std::uint64_t* table_entries(Mfn table)
{
    return reinterpret_cast<std::uint64_t*>(port::frame_data(table));
}

namespace detail
{

// One step down, with the level known when it is compiled. False: there is no lower table.
template<unsigned kLevel>
[[gnu::always_inline]] inline bool step_down(Mfn& table, std::uint64_t address)
{
    std::uint64_t const entry = load_relaxed(table_entries(table)[pte::index(address, kLevel)]);
    table = pte::frame(entry);
    return (entry & pte::kPresent) != 0;
}

} // namespace detail

struct LeafSlot
{
    Mfn table; // validated L1 of the domain
    unsigned index;
    std::uint64_t entry;
};
[[gnu::always_inline]] inline Result<LeafSlot> find_leaf(Mfn root, std::uint64_t address)
{
    HV_REQUIRE(root != kInvalidMfn && is_guest_address(address), Errno::Inval);
    Mfn table = root;
    HV_REQUIRE(detail::step_down<4>(table, address) && detail::step_down<3>(table, address) &&
                   detail::step_down<2>(table, address),
               Errno::Inval);
    unsigned const index = pte::index(address, 1);
    return LeafSlot{table, index, load_relaxed(table_entries(table)[index])};
}
// Whether the tables of `owner` under `root` allow an access of CPL 3 at this moment. Needs no lock, so that a fault of our
// own can ask whatever it holds: other CPUs may take tables away under our eyes, hence only frames that are RAM of the
// owner are looked into, and a wrong answer costs no more than one access too many or an error to the guest.
bool access_allowed_now(Mfn root, DomainId owner, std::uint64_t address, bool write);

// ---- Roots. Puts the machine-to-phys slot into an L4 that becomes a kernel root. mmu_lock held.
void prepare_kernel_root(Mfn root);

// Our entries for L4 slots 256..271; filled at boot, [0] is the machine-to-phys table.
extern std::uint64_t g_hypervisor_slots[16];

} // namespace hv
