// SPDX-License-Identifier: MIT
// Writing the initial page tables.
#include <core/builder/tables.hpp>

#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

namespace hv::builder
{
namespace
{

constexpr std::uint64_t kTableFlags = pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed | pte::kDirty;
constexpr std::uint64_t kLeafFlags = pte::kPresent | pte::kUser | pte::kAccessed | pte::kGuestKernel;

} // namespace

TableBuilder::TableBuilder(std::uint64_t const* p2m, std::uint64_t first_frame, std::uint64_t count)
    : p2m_(p2m), root_(p2m[first_frame]), next_(first_frame + 1), end_(first_frame + count)
{
}

void TableBuilder::add_tables(std::uint64_t first_frame, std::uint64_t count)
{
    next_ = first_frame;
    end_ = first_frame + count;
}

std::uint64_t TableBuilder::take()
{
    return next_ < end_ ? p2m_[next_++] : 0;
}

Result<void> TableBuilder::map(std::uint64_t address, Mfn target, bool writable)
{
    Mfn table = root_;
    for (unsigned level = 4; level > 1; --level)
    {
        std::uint64_t& entry = table_entries(table)[pte::index(address, level)];
        if ((entry & pte::kPresent) == 0)
        {
            std::uint64_t const frame = take();
            HV_REQUIRE(frame != 0, Errno::NoMem);
            entry = pte::make(Mfn{frame}, kTableFlags);
        }
        table = pte::frame(entry);
    }
    table_entries(table)[pte::index(address, 1)] = pte::make(target, kLeafFlags | (writable ? pte::kWritable : 0));
    return {};
}

} // namespace hv::builder
