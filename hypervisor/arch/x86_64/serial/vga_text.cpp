// SPDX-License-Identifier: MIT
// Writes character cells; scrolls by copying.
#include <arch/x86_64/serial/vga_text.hpp>

namespace hv
{
namespace
{

constexpr std::uint16_t kGreyOnBlack = 0x0700;

}

void VgaText::start(std::uint16_t* cells, unsigned columns, unsigned rows)
{
    cells_ = cells;
    columns_ = columns;
    rows_ = rows;
    column_ = row_ = 0;
    for (unsigned i = 0; i < columns * rows; ++i)
        cells_[i] = kGreyOnBlack | ' ';
}

void VgaText::new_line()
{
    column_ = 0;
    if (++row_ < rows_)
        return;
    row_ = rows_ - 1;
    for (unsigned i = 0; i < columns_ * row_; ++i)
        cells_[i] = cells_[i + columns_];
    for (unsigned i = columns_ * row_; i < columns_ * rows_; ++i)
        cells_[i] = kGreyOnBlack | ' ';
}

void VgaText::write(std::span<char const> text)
{
    if (!active())
        return;
    for (char const c : text)
    {
        if (c == '\n')
            new_line();
        else if (c == '\r')
            column_ = 0;
        else
            cells_[row_ * columns_ + column_++] =
                static_cast<std::uint16_t>(kGreyOnBlack | static_cast<unsigned char>(c));
        if (column_ == columns_)
            new_line();
    }
}

} // namespace hv
