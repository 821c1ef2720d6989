// SPDX-License-Identifier: MIT
// Edit distance with neighbouring transpositions, small enough to run only when something has already gone wrong.
#include "config/suggest.hpp"

#include <algorithm>
#include <cstddef>

namespace vm
{
namespace
{

std::size_t edit_distance(std::string_view left, std::string_view right)
{
    std::size_t const width = right.size() + 1;
    std::vector<std::size_t> cells((left.size() + 1) * width);
    auto cell = [&](std::size_t row, std::size_t column) -> std::size_t& { return cells[row * width + column]; };
    for (std::size_t row = 0; row <= left.size(); ++row)
    {
        for (std::size_t column = 0; column < width; ++column)
        {
            if (row == 0 || column == 0)
            {
                cell(row, column) = row + column;
                continue;
            }
            std::size_t const replaced = cell(row - 1, column - 1) + (left[row - 1] != right[column - 1] ? 1 : 0);
            std::size_t best = std::min({cell(row - 1, column) + 1, cell(row, column - 1) + 1, replaced});
            if (row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1])
            {
                best = std::min(best, cell(row - 2, column - 2) + 1);
            }
            cell(row, column) = best;
        }
    }
    return cell(left.size(), right.size());
}

} // namespace

std::string closest_word(std::string_view word, std::vector<std::string_view> const& candidates)
{
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (std::string_view const candidate : candidates)
    {
        std::size_t const distance = edit_distance(word, candidate);
        if (distance < best_distance)
        {
            best_distance = distance;
            best = candidate;
        }
    }
    return std::string(best);
}

std::string did_you_mean(std::string_view word, std::vector<std::string_view> const& candidates,
                         std::string const& otherwise)
{
    std::string const best = closest_word(word, candidates);
    return best.empty() ? otherwise : "did you mean '" + best + "'?";
}

} // namespace vm
