// SPDX-License-Identifier: MIT
// Finds what the user may have meant, for hints about unknown keys and words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vm
{

/// The candidate closest to `word`, or "" when none is close enough to be worth telling.
std::string closest_word(std::string_view word, std::vector<std::string_view> const& candidates);

/// "did you mean 'X'?", or `otherwise` when nothing is close.
std::string did_you_mean(std::string_view word, std::vector<std::string_view> const& candidates,
                         std::string const& otherwise = {});

} // namespace vm
