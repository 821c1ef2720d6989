// SPDX-License-Identifier: MIT
// The four output forms. Strings from guests are escaped, since a terminal would obey what it is sent.
#include "output.hpp"

#include "base/error.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <cstdio>

namespace vmctl
{
namespace
{

/// A value as one word for tables and CSV.
std::string plain(Json const& value)
{
    if (value.is_null())
    {
        return "-";
    }
    std::string text =
        value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string safe;
    for (char const character : text)
    {
        bool const control = static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
        safe += control ? '?' : character;
    }
    return safe;
}

std::string csv_field(std::string const& text)
{
    if (text.find_first_of(",\"\n\r") == text.npos)
    {
        return text;
    }
    std::string quoted = "\"";
    for (char const character : text)
    {
        quoted += character;
        if (character == '"')
        {
            quoted += '"';
        }
    }
    return quoted + "\"";
}

std::string dump(Json const& value)
{
    return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// A scalar is written as JSON, which YAML includes; only strings that no parser can mistake go without quotes.
std::string yaml_scalar(Json const& value)
{
    if (value.is_string())
    {
        std::string const text = value.get<std::string>();
        auto const harmless = [](char character) {
            return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
                   (character >= '0' && character <= '9') || character == '_' || character == '-' || character == '/';
        };
        bool const letter = !text.empty() && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z');
        static constexpr std::string_view kReserved[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
        std::string lower = text;
        std::transform(lower.begin(), lower.end(), lower.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
        bool const reserved = std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved);
        if (letter && !reserved && std::all_of(text.begin(), text.end(), harmless))
        {
            return text;
        }
    }
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_yaml(std::string& out, Json const& value, std::size_t indent)
{
    std::string const margin(indent, ' ');
    auto const append_child = [&](Json const& child) {
        if (child.is_structured() && !child.empty())
        {
            out += "\n";
            append_yaml(out, child, indent + 2);
        }
        else
        {
            out += " " + yaml_scalar(child) + "\n";
        }
    };
    if (value.is_object())
    {
        for (auto const& [key, child] : value.items())
        {
            out += margin + yaml_scalar(key) + ":";
            append_child(child);
        }
        return;
    }
    for (Json const& child : value)
    {
        out += margin + "-";
        append_child(child);
    }
}

std::string yaml(Json const& value)
{
    std::string out;
    if (value.empty())
    {
        return value.is_object() ? "{}\n" : "[]\n";
    }
    append_yaml(out, value, 0);
    return out;
}

void flatten(Json const& value, std::string const& prefix, std::vector<std::pair<std::string, std::string>>& lines)
{
    if (!value.is_structured())
    {
        lines.emplace_back(prefix, plain(value));
        return;
    }
    std::size_t index = 0;
    for (auto const& [key, child] : value.items())
    {
        std::string name = prefix.empty() ? "" : prefix + ".";
        name += value.is_array() ? std::to_string(index) : key;
        flatten(child, name, lines);
        ++index;
    }
}

std::string table(std::vector<std::vector<std::string>> const& lines, std::vector<Column> const& columns)
{
    std::vector<std::size_t> widths(columns.size(), 0);
    for (auto const& line : lines)
    {
        for (std::size_t column = 0; column < columns.size(); ++column)
        {
            widths[column] = std::max(widths[column], line[column].size());
        }
    }
    std::string out;
    for (auto const& line : lines)
    {
        std::string row;
        for (std::size_t column = 0; column < columns.size(); ++column)
        {
            std::string const space(widths[column] - line[column].size(), ' ');
            row += (column ? "  " : "") + (columns[column].right ? space + line[column] : line[column] + space);
        }
        row.erase(row.find_last_not_of(' ') + 1);
        out += row + "\n";
    }
    return out;
}

} // namespace

Format parse_format(std::string const& word)
{
    if (word == "table")
    {
        return Format::Table;
    }
    if (word == "json")
    {
        return Format::Json;
    }
    if (word == "yaml")
    {
        return Format::Yaml;
    }
    if (word == "csv")
    {
        return Format::Csv;
    }
    throw vm::Error(vm::ExitCode::Usage, "unknown format '" + word + "'",
                    vm::did_you_mean(word, {"table", "json", "yaml", "csv"}, "use table, json, yaml or csv"));
}

std::string render_list(Format format, std::vector<Column> const& columns, Json const& rows)
{
    if (format == Format::Json)
    {
        return dump(rows);
    }
    if (format == Format::Yaml)
    {
        return yaml(rows);
    }
    std::vector<std::vector<std::string>> lines(1);
    for (Column const& column : columns)
    {
        lines[0].push_back(format == Format::Csv ? column.key : column.title);
    }
    for (Json const& row : rows)
    {
        std::vector<std::string> line;
        line.reserve(columns.size());
        for (Column const& column : columns)
        {
            line.push_back(row.contains(column.key) ? plain(row.at(column.key)) : "-");
        }
        lines.push_back(line);
    }
    if (format == Format::Table)
    {
        return table(lines, columns);
    }
    std::string out;
    for (auto const& line : lines)
    {
        for (std::size_t column = 0; column < line.size(); ++column)
        {
            out += (column ? "," : "") + csv_field(line[column]);
        }
        out += "\n";
    }
    return out;
}

std::string render_object(Format format, Json const& object)
{
    if (format == Format::Json)
    {
        return dump(object);
    }
    if (format == Format::Yaml)
    {
        return yaml(object);
    }
    std::vector<std::pair<std::string, std::string>> leaves;
    flatten(object, "", leaves);
    std::string out;
    std::size_t width = 0;
    for (auto const& leaf : leaves)
    {
        width = std::max(width, leaf.first.size());
    }
    for (auto const& [key, value] : leaves)
    {
        if (format == Format::Csv)
        {
            out.append(csv_field(key)).append(",").append(csv_field(value)).append("\n");
        }
        else
        {
            out.append(key).append(width - key.size() + 2, ' ').append(value).append("\n");
        }
    }
    return out;
}

void print(std::string const& text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    {
        throw vm::Error(vm::ExitCode::Failed, "cannot write to the standard output");
    }
}

} // namespace vmctl
