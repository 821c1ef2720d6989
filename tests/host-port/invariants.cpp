// SPDX-License-Identifier: MIT
// The recount oracle.
#include "invariants.hpp"

#include "machine.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/grant/grant_table.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/frame.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

#include <cstdarg>
#include <cstdio>
#include <map>
#include <tuple>

namespace hv::host
{
namespace
{

constexpr unsigned kEntries = 512;
constexpr std::uint32_t kHandlesLooked = 4 * kMappingsPerPage;
constexpr std::size_t kMostMessages = 20;

// What the references found so far ask of one frame's record.
struct Expected
{
    std::uint32_t general = 0;
    std::uint32_t uses = 0;
    std::uint8_t types = 0; // bit per FrameType that some use needs
    bool walked = false;
    bool listed = false;
};

struct Owned // frames by owner
{
    std::uint64_t ram = 0;
    std::uint64_t special = 0;
};

class Recount
{
public:
    std::vector<std::string> run()
    {
        for (DomainRef domain = next_domain(0); domain; domain = next_domain(domain->id().raw() + 1u))
            take_holders(*domain);
        for (Mfn frame{1}; frame < port::max_mfn(); ++frame)
            take_own_holds(frame);
        for (DomainRef domain = next_domain(0); domain; domain = next_domain(domain->id().raw() + 1u))
            check_lists(*domain);
        check_grant_leaves();
        for (Mfn frame{0}; frame < port::max_mfn(); ++frame)
            check_frame(frame);
        if (free_ != free_frames())
            fail("the allocator counts %lu free frames, %lu records are free", free_frames(), free_);
        return std::move(messages_);
    }

private:
    using MappingKey = std::tuple<std::uint16_t, std::uint64_t, bool>; // mapper, frame, read only

    void fail(char const* format, ...) __attribute__((format(printf, 2, 3)))
    {
        if (messages_.size() == kMostMessages)
            return;
        char text[200];
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        messages_.emplace_back(text);
    }

    // ---- who holds references from outside the tables
    void take_holders(Domain& domain)
    {
        for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
            take_vcpu(*domain.vcpus[id]);
        take_event_words(domain);
        for (std::uint32_t handle = 0; domain.grants != nullptr && handle < kHandlesLooked; ++handle)
            take_grant_mapping(domain, handle);
    }

    // What a frame's own record says of pins and interrupted work; both hold references. Counts owned frames, too.
    void take_own_holds(Mfn frame)
    {
        FrameInfo const& info = *frame_info(frame);
        if (info.owner().raw() >= kFirstReservedDomain)
            return;
        Domain* const domain = domain_of_frame(info.owner());
        if (domain == nullptr || info.count() == 0)
        {
            fail("frame %lx belongs to d%u, which does not exist, or has no reference", frame.raw(),
                 info.owner().raw());
            return;
        }
        Owned& owned = owned_[info.owner().raw()];
        ++(info.special() ? owned.special : owned.ram);
        if (info.pinned())
            take_table(*domain, frame, static_cast<unsigned>(info.type()));
        if ((info.usage & FrameInfo::kPartial) != 0)
            take_partial(*domain, frame, info);
    }

    void take_vcpu(Vcpu const& vcpu)
    {
        Domain& domain = vcpu.domain();
        PvState const& pv = vcpu.pv;
        for (Mfn const root : {pv.kernel_root, pv.user_root})
            if (root != kInvalidMfn)
                take_table(domain, root, 4);
        if (pv.kernel_root != kInvalidMfn && table_entries(pv.kernel_root)[256] != g_hypervisor_slots[0])
            fail("kernel root %lx lacks the machine-to-phys table", pv.kernel_root.raw());
        for (unsigned page = 0; page < (pv.gdt_entries + 511) / 512; ++page)
            take_descriptors(domain, pv.gdt_frames[page]);
        std::array<Mfn, 16> const window = ldt_window(vcpu);
        for (unsigned page = 0; page < 16; ++page)
        {
            if ((pv.ldt_mapped >> page & 1) != (window[page] != kInvalidMfn ? 1u : 0u))
                fail("d%u: LDT page %u is noted as mapped and is not, or the other way round", domain.id().raw(), page);
            else if (window[page] != kInvalidMfn)
                take_descriptors(domain, window[page]);
        }
        if (vcpu.info_frame != kInvalidMfn)
            take_use(vcpu.info_frame, FrameType::Writable);
        if (vcpu.fifo != nullptr)
            take_use(vcpu.fifo->frame, FrameType::Writable);
    }

    void take_event_words(Domain const& domain)
    {
        FifoState const* const fifo = domain.events != nullptr ? domain.events->fifo() : nullptr;
        for (std::uint32_t page = 0; fifo != nullptr && page < fifo->pages; ++page)
            take_use(fifo->frames[page], FrameType::Writable);
    }

    void take_descriptors(Domain const& domain, Mfn frame)
    {
        if (frame >= port::max_mfn() || frame_info(frame)->owner() != domain.id())
            fail("d%u: descriptor page %lx is not its own", domain.id().raw(), frame.raw());
        else
            take_use(frame, FrameType::Descriptor);
    }

    void take_grant_mapping(Domain& domain, std::uint32_t handle)
    {
        GrantMapping* const claimed = domain.grants->claim_handle(handle);
        if (claimed == nullptr)
            return;
        GrantMapping const mapping = *claimed;
        domain.grants->settle_handle(*claimed);
        for (std::uint32_t const kind : {std::uint32_t{GNTMAP_host_map}, std::uint32_t{GNTMAP_device_map}})
        {
            if ((mapping.uses & kind) == 0)
                continue;
            if (mapping.read_only)
                take_general(mapping.frame);
            else
                take_use(mapping.frame, FrameType::Writable);
        }
        if ((mapping.uses & GNTMAP_host_map) != 0)
            ++host_mappings_[{domain.id().raw(), mapping.frame.raw(), mapping.read_only}];
    }

    void take_general(Mfn frame)
    {
        if (frame >= port::max_mfn())
            fail("a reference of frame %lx, which does not exist", frame.raw());
        else
            ++expected_[frame.raw()].general;
    }

    void take_use(Mfn frame, FrameType type)
    {
        take_general(frame);
        if (frame >= port::max_mfn())
            return;
        ++expected_[frame.raw()].uses;
        expected_[frame.raw()].types |= static_cast<std::uint8_t>(1u << static_cast<unsigned>(type));
    }

    // ---- walking tables
    void take_table(Domain& owner, Mfn frame, unsigned level)
    {
        if (level < 1 || level > 4 || frame >= port::max_mfn())
        {
            fail("d%u: %lx used as a table of level %u", owner.id().raw(), frame.raw(), level);
            return;
        }
        take_use(frame, static_cast<FrameType>(level));
        if (expected_[frame.raw()].walked)
            return;
        expected_[frame.raw()].walked = true;
        FrameInfo const& info = *frame_info(frame);
        if (!info.validated() || static_cast<unsigned>(info.type()) != level || info.owner() != owner.id() ||
            info.special())
            fail("d%u: %lx is in use as a table of level %u, not validated as one", owner.id().raw(), frame.raw(),
                 level);
        walk(owner, frame, level, kEntries);
        if (level == 4)
            check_hypervisor_slots(frame);
    }

    void take_partial(Domain& owner, Mfn frame, FrameInfo const& info)
    {
        unsigned const level = static_cast<unsigned>(info.type());
        take_use(frame, info.type());
        if (level < 1 || level > 4 || info.validated() || expected_[frame.raw()].walked)
        {
            fail("d%u: partial table %lx is used by others", owner.id().raw(), frame.raw());
            return;
        }
        expected_[frame.raw()].walked = true;
        walk(owner, frame, level,
             static_cast<unsigned>((info.usage & FrameInfo::kProgressMask) >> FrameInfo::kProgressShift));
    }

    void walk(Domain& owner, Mfn frame, unsigned level, unsigned end)
    {
        std::uint64_t const* const entries = table_entries(frame);
        for (unsigned index = 0; index < end; ++index)
        {
            std::uint64_t const entry = entries[index];
            if ((entry & pte::kPresent) == 0 || (level == 4 && index >= 256 && index <= 271))
                continue;
            if ((entry & pte::kUser) == 0)
                fail("entry %u of table %lx is not for CPL 3", index, frame.raw());
            if (level == 1)
            {
                take_leaf(owner, entry);
                continue;
            }
            if ((entry & (pte::kSuperpage | pte::kGlobal | pte::kWriteThrough | pte::kCacheDisable)) != 0)
                fail("entry %u of table %lx has flags that tables may not have: %lx", index, frame.raw(), entry);
            take_table(owner, pte::frame(entry), level - 1);
        }
    }

    void take_leaf(Domain& owner, std::uint64_t entry)
    {
        Mfn const frame = pte::frame(entry);
        bool const writable = (entry & pte::kWritable) != 0;
        if (((entry & pte::kGuestKernel) != 0) == ((entry & pte::kGlobal) != 0))
            fail("d%u: leaf %lx is global and the guest kernel's, or neither", owner.id().raw(), entry);
        if ((entry & pte::kGrant) != 0)
        {
            if (owner.life < Life::Dying)
                ++grant_leaves_[{owner.id().raw(), frame.raw(), !writable}];
            return;
        }
        if (frame >= port::max_mfn())
        {
            if (!owner.control && owner.io_memory == nullptr)
                fail("d%u maps device frame %lx", owner.id().raw(), frame.raw());
            return;
        }
        FrameInfo const& info = *frame_info(frame);
        bool const exported = info.owner() == kDomainXen && frame_exported(frame) && !writable;
        if (info.owner() != owner.id() && !(owner.control && (info.owner().raw() < kFirstReservedDomain || exported)))
            fail("d%u reaches frame %lx of d%u", owner.id().raw(), frame.raw(), info.owner().raw());
        if (writable)
            take_use(frame, FrameType::Writable);
        else
            take_general(frame);
    }

    void check_hypervisor_slots(Mfn root)
    {
        std::uint64_t const* const entries = table_entries(root) + 256;
        if (entries[0] != 0 && entries[0] != g_hypervisor_slots[0])
            fail("root %lx has %lx in the slot of the machine-to-phys table", root.raw(), entries[0]);
        for (unsigned slot = 1; slot < 16; ++slot)
            if (entries[slot] != g_hypervisor_slots[slot])
                fail("root %lx has %lx in our slot %u", root.raw(), entries[slot], 256 + slot);
    }

    // A mapping may have no leaf (the mapper dropped its table); a leaf without a mapping reaches a frame unowned.
    void check_grant_leaves()
    {
        for (auto const& [key, count] : grant_leaves_)
        {
            auto const found = host_mappings_.find(key);
            if (found == host_mappings_.end() || found->second < count)
                fail("d%u has %u grant leaves of frame %lx and fewer mappings", std::get<0>(key), count,
                     std::get<1>(key));
        }
    }

    // ---- lists and records
    std::uint64_t check_list(Domain const& domain, PageList const& list, bool relinquished)
    {
        std::uint64_t count = 0;
        std::uint32_t previous = 0;
        for (std::uint32_t at = list.first; at != 0 && count <= list.count; at = frame_info(Mfn{at})->next)
        {
            FrameInfo const& info = *frame_info(Mfn{at});
            bool const flagged = (info.ownership & FrameInfo::kFlagListed) != 0 &&
                                 ((info.ownership & FrameInfo::kFlagRelinquished) != 0) == relinquished;
            if (info.owner() != domain.id() || info.special() || !flagged || info.previous != previous)
                fail("d%u: frame %x on its list does not belong there", domain.id().raw(), at);
            expected_[at].listed = true;
            previous = at;
            ++count;
        }
        if (count != list.count)
            fail("d%u: its list has %lu frames and counts %lu", domain.id().raw(), count, list.count);
        return count;
    }

    void check_lists(Domain& domain)
    {
        std::uint64_t const listed =
            check_list(domain, domain.pages, false) + check_list(domain, domain.relinquished_pages, true);
        auto const [owned, special] = owned_[domain.id().raw()];
        if (special != domain.special_pages || owned != listed)
            fail("d%u owns %lu frames, %lu special; counted are %lu and %lu", domain.id().raw(), owned, special, listed,
                 domain.special_pages);
        std::uint64_t const holds = (domain.life == Life::Dead ? 0u : 1u) + special + (listed != 0 ? 1u : 0u);
        if (domain.references < holds)
            fail("d%u has %u references and at least %lu holders", domain.id().raw(), domain.references, holds);
        if (domain.life < Life::Dying && domain.relinquished_pages.count != 0)
            fail("d%u lives and has relinquished frames", domain.id().raw());
    }

    void check_frame(Mfn frame)
    {
        FrameInfo const& info = *frame_info(frame);
        Expected const& wanted = expected_[frame.raw()];
        if (info.owner() == kDomainInvalid)
        {
            ++free_;
            if (info.count() != 0 || wanted.general != 0)
                fail("free frame %lx has %u references, %u found", frame.raw(), info.count(), wanted.general);
            if (port::m2p()[frame.raw()] != ~0ull)
                fail("free frame %lx has a machine-to-phys entry", frame.raw());
            return;
        }
        bool const ours = info.owner() == kDomainXen;
        bool const allocated = ours || (info.ownership & FrameInfo::kFlagAllocated) != 0;
        if (info.count() != wanted.general + (allocated ? 1u : 0u))
            fail("frame %lx of d%u counts %u references, %u found, allocated %d", frame.raw(), info.owner().raw(),
                 info.count(), wanted.general, allocated);
        check_usage(frame, info, wanted);
        bool const should_be_listed = !ours && !info.special();
        if (wanted.listed != should_be_listed)
            fail("frame %lx of d%u is on a list or not, wrongly", frame.raw(), info.owner().raw());
    }

    void check_usage(Mfn frame, FrameInfo const& info, Expected const& wanted)
    {
        bool const partial = (info.usage & FrameInfo::kPartial) != 0;
        if (info.type_count() != wanted.uses)
            fail("frame %lx of d%u counts %u uses as type %u, %u found (types %x)", frame.raw(), info.owner().raw(),
                 info.type_count(), static_cast<unsigned>(info.type()), wanted.uses, wanted.types);
        if (wanted.uses != 0 && wanted.types != 1u << static_cast<unsigned>(info.type()))
            fail("frame %lx of d%u has type %u, used as types %x", frame.raw(), info.owner().raw(),
                 static_cast<unsigned>(info.type()), wanted.types);
        if (wanted.uses != 0 && info.validated() == partial)
            fail("frame %lx of d%u is used and neither validated nor partial, or both", frame.raw(),
                 info.owner().raw());
        if (partial && info.type_count() != 1)
            fail("partial frame %lx has %u uses", frame.raw(), info.type_count());
        if (info.special() && wanted.uses != 0 && info.type() != FrameType::Writable)
            fail("special frame %lx is a table", frame.raw());
    }

    std::vector<Expected> expected_ = std::vector<Expected>(port::max_mfn().raw());
    std::map<std::uint16_t, Owned> owned_;
    std::map<MappingKey, std::uint32_t> host_mappings_;
    std::map<MappingKey, std::uint32_t> grant_leaves_;
    std::vector<std::string> messages_;
    std::uint64_t free_ = 0;
};

} // namespace

std::vector<std::string> broken_invariants()
{
    return Recount().run();
}

} // namespace hv::host
