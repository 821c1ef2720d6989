// SPDX-License-Identifier: MIT
// The syntax of xl.cfg files: assignments of numbers, strings and nested lists, without knowing any key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vm
{

struct XlValue;
using XlList = std::vector<XlValue>;

struct XlValue
{
    std::variant<std::int64_t, std::string, XlList> data;
    int line = 0;

    std::string const* string() const { return std::get_if<std::string>(&data); }
    std::int64_t const* number() const { return std::get_if<std::int64_t>(&data); }
    XlList const* list() const { return std::get_if<XlList>(&data); }
};

struct XlAssignment
{
    std::string key;
    XlValue value;
    bool append = false; ///< written with "+="
};

/// Parses a whole file; `source` names it in errors ("SOURCE:LINE: cause"). Throws Error(Usage).
std::vector<XlAssignment> parse_xl_syntax(std::string_view text, std::string const& source);

} // namespace vm
