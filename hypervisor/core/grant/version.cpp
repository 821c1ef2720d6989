// SPDX-License-Identifier: MIT
// Changing between the two layouts of entries. The reserved entries (console and store) survive, the rest is cleared.
#include <core/grant/grant_table.hpp>
#include <core/mm/frame.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint32_t kReserved = GNTTAB_NR_RESERVED_ENTRIES;
constexpr std::uint16_t kUseBits = GTF_reading | GTF_writing;

void clear_frame(Mfn frame)
{
    __builtin_memset(port::frame_data(frame), 0, kPageSize);
}

} // namespace

bool GrantTable::any_used()
{
    for (std::uint32_t ref = kReserved; ref < entry_count_; ++ref)
        if (UseRecord const* const record = existing_record(ref); record != nullptr && record->used())
            return true;
    return false;
}

Result<void> GrantTable::set_version(std::uint32_t version)
{
    HV_REQUIRE(version == 1 || version == 2, Errno::Inval);
    HV_REQUIRE(version <= max_version_, Errno::NoSys);
    Guard guard(lock_);
    HV_REQUIRE(!ended_, Errno::Inval);
    if (version == version_)
        return {};
    HV_REQUIRE(!any_used(), Errno::Busy);
    return version == 2 ? switch_to_v2() : switch_to_v1();
}

Result<void> GrantTable::switch_to_v2()
{
    HV_TRY_VOID(grow_status(frame_count_));
    abi::grant_entry_v1 kept[kReserved];
    __builtin_memcpy(kept, entry_v1(0), sizeof(kept));
    for (std::uint32_t index = 0; index < frame_count_; ++index)
        clear_frame(frames_[index]);
    for (std::uint32_t index = 0; index < status_count_; ++index)
        clear_frame(status_frames_[index]);
    version_ = 2;
    count_entries();
    for (std::uint32_t ref = 0; ref < kReserved; ++ref)
    {
        auto& entry = *entry_v2(ref);
        entry.full_page.frame = kept[ref].frame;
        entry.hdr.domid = kept[ref].domid;
        entry.hdr.flags = kept[ref].flags & static_cast<std::uint16_t>(~kUseBits);
        *status_of(ref) = kept[ref].flags & kUseBits;
    }
    return {};
}

Result<void> GrantTable::switch_to_v1()
{
    // A status frame that is mapped must not be given away.
    for (std::uint32_t index = 0; index < status_count_; ++index)
        HV_REQUIRE(frame_info(status_frames_[index])->count() == 1, Errno::Busy);
    abi::grant_entry_v1 kept[kReserved]{};
    for (std::uint32_t ref = 0; ref < kReserved; ++ref)
    {
        abi::grant_entry_v2 const entry = *entry_v2(ref);
        bool const fits = (entry.hdr.flags & GTF_type_mask) == GTF_permit_access &&
                          (entry.hdr.flags & GTF_sub_page) == 0 && entry.full_page.frame >> 32 == 0;
        bool const used = *status_of(ref) != 0;
        HV_REQUIRE(fits || !used, Errno::NxIo);
        if (fits)
            kept[ref] = {static_cast<std::uint16_t>(entry.hdr.flags | (*status_of(ref) & kUseBits)), entry.hdr.domid,
                         static_cast<std::uint32_t>(entry.full_page.frame)};
    }
    for (std::uint32_t index = 0; index < frame_count_; ++index)
        clear_frame(frames_[index]);
    version_ = 1;
    count_entries();
    __builtin_memcpy(entry_v1(0), kept, sizeof(kept));
    std::uint32_t const count = status_count_;
    status_count_ = 0;
    for (std::uint32_t index = 0; index < count; ++index)
        (void)release_domain_frame(domain_, status_frames_[index], false);
    return {};
}

} // namespace hv
