// SPDX-License-Identifier: MIT
// set_gdt and update_descriptor.
#include <hypercalls/handlers/mmu.hpp>

#include <core/domain/roots.hpp>
#include <core/policy/descriptor.hpp>

namespace hv::handlers
{

CallResult set_gdt(Caller& caller, std::uint64_t list, std::uint64_t entries)
{
    HV_REQUIRE(entries <= FIRST_RESERVED_GDT_ENTRY, Errno::Inval);
    unsigned const count = static_cast<unsigned>((entries + 511) / 512);
    std::uint64_t numbers[14];
    if (!GuestIn<std::uint64_t>(list).read_array(numbers, 0, count))
        return Errno::Fault;
    Mfn frames[14];
    for (unsigned i = 0; i < count; ++i)
        frames[i] = caller.domain().resolve(GuestFrame{numbers[i]});
    Guard guard(caller.domain().mmu_lock);
    HV_TRY_VOID(change_gdt(caller.vcpu(), frames, count, static_cast<std::uint32_t>(entries)));
    return std::int64_t{0};
}

CallResult update_descriptor(Caller& caller, std::uint64_t address, std::uint64_t descriptor)
{
    Domain& domain = caller.domain();
    HV_REQUIRE((address & 7) == 0 && policy::audit_descriptor(descriptor), Errno::Inval);
    Mfn const frame = domain.resolve(GuestFrame{address >> kPageShift});
    Guard guard(domain.mmu_lock);
    FrameInfo const* info = frame_info(frame);
    HV_REQUIRE(info != nullptr && info->owner() == domain.id(), Errno::Inval);
    bool const descriptors = info->type() == FrameType::Descriptor && info->type_count() != 0;
    // Whichever use it has, holding one more keeps it what it is while we write.
    auto const taken = descriptors ? get_descriptor_page(domain, frame) : get_writable(frame, domain.id());
    HV_REQUIRE(taken, Errno::Inval);
    store_relaxed(table_entries(frame)[(address & (kPageSize - 1)) / 8], descriptor);
    if (descriptors)
        put_descriptor_page(frame);
    else
        put_writable(frame);
    return std::int64_t{0};
}

} // namespace hv::handlers
