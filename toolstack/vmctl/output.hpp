// SPDX-License-Identifier: MIT
// Prints data on stdout in the form the user asked for; every verb hands over the same kind of value.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vmctl
{

using Json = nlohmann::ordered_json;

enum class Format
{
    Table,
    Json,
    Yaml,
    Csv,
};

/// Throws Error(Usage) for a word that is no format.
Format parse_format(std::string const& word);

struct Column
{
    std::string key;
    std::string title;
    bool right = false; ///< align to the right
};

/// A list of objects. Tables and CSV show the columns, JSON and YAML everything.
std::string render_list(Format format, std::vector<Column> const& columns, Json const& rows);

/// One object: a table or CSV has one "key value" line per leaf, nested keys joined by dots.
std::string render_object(Format format, Json const& object);

void print(std::string const& text);

} // namespace vmctl
