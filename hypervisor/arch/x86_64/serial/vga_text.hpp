// SPDX-License-Identifier: MIT
// The PC's 80 by 25 text screen as an output-only console, until the control domain takes it over.
#pragma once

#include <cstdint>
#include <span>

namespace hv
{

class VgaText
{
public:
    void start(std::uint16_t* cells, unsigned columns, unsigned rows); // mapped text memory
    void stop() { cells_ = nullptr; }
    void write(std::span<char const> text);
    [[nodiscard]] bool active() const { return cells_ != nullptr; }
    [[nodiscard]] unsigned row() const { return row_; }
    [[nodiscard]] unsigned column() const { return column_; }

private:
    void new_line();

    std::uint16_t* cells_ = nullptr;
    unsigned columns_ = 0, rows_ = 0;
    unsigned column_ = 0, row_ = 0;
};

} // namespace hv
