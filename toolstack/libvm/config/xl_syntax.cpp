// SPDX-License-Identifier: MIT
// A recursive-descent reader of xl.cfg with bounded nesting and errors that carry the line.
#include "config/xl_syntax.hpp"

#include "base/error.hpp"

#include <charconv>
#include <cstddef>

namespace vm
{
namespace
{

constexpr int kMaxNesting = 8;

bool is_key_start(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_';
}

bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

class Reader
{
public:
    Reader(std::string_view text, std::string const& source) : text_(text), source_(source) {}

    std::vector<XlAssignment> read_file()
    {
        std::vector<XlAssignment> assignments;
        for (;;)
        {
            skip_space(true);
            if (at_end())
            {
                return assignments;
            }
            if (peek() == ';')
            {
                ++position_;
                continue;
            }
            assignments.push_back(read_assignment());
        }
    }

private:
    bool at_end() const { return position_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[position_]; }

    [[noreturn]] void fail(std::string const& cause, std::string const& hint = {}) const
    {
        throw Error(ExitCode::Usage, source_ + ":" + std::to_string(line_) + ": " + cause, hint);
    }

    /// Skips blanks and comments; line ends too if asked, and "\" before a line end always.
    void skip_space(bool line_ends)
    {
        while (!at_end())
        {
            char const character = peek();
            if (character == '#')
            {
                while (!at_end() && peek() != '\n')
                {
                    ++position_;
                }
            }
            else if (character == '\n' && line_ends)
            {
                ++line_;
                ++position_;
            }
            else if (character == '\\' && position_ + 1 < text_.size() && text_[position_ + 1] == '\n')
            {
                ++line_;
                position_ += 2;
            }
            else if (character == ' ' || character == '\t' || character == '\r')
            {
                ++position_;
            }
            else
            {
                return;
            }
        }
    }

    XlAssignment read_assignment()
    {
        XlAssignment assignment;
        if (!is_key_start(peek()))
        {
            fail(std::string("expected a key, found '") + peek() + "'");
        }
        while (is_key_start(peek()) || is_digit(peek()) || peek() == '-')
        {
            assignment.key += text_[position_++];
        }
        skip_space(false);
        if (peek() == '+')
        {
            assignment.append = true;
            ++position_;
        }
        if (peek() != '=')
        {
            fail("expected '=' after '" + assignment.key + "'");
        }
        ++position_;
        skip_space(false);
        assignment.value = read_value(0);
        skip_space(false);
        if (!at_end() && peek() != '\n' && peek() != ';')
        {
            fail("unexpected text after the value of '" + assignment.key + "'",
                 "put each assignment on a line of its own");
        }
        return assignment;
    }

    XlValue read_value(int depth)
    {
        XlValue value;
        value.line = line_;
        char const first = peek();
        if (first == '"' || first == '\'')
        {
            value.data = read_string();
        }
        else if (first == '[')
        {
            value.data = read_list(depth);
        }
        else if (is_digit(first) || first == '-')
        {
            value.data = read_number();
        }
        else
        {
            fail("expected a number, a quoted string or a list",
                 is_key_start(first) ? "put words in quotation marks" : "");
        }
        return value;
    }

    std::string read_string()
    {
        char const quote = text_[position_++];
        std::string content;
        for (;;)
        {
            if (at_end() || peek() == '\n')
            {
                fail("the string is not closed before the end of its line");
            }
            char const character = text_[position_++];
            if (character == quote)
            {
                return content;
            }
            content += character == '\\' ? read_escape() : character;
        }
    }

    char read_escape()
    {
        char const character = peek();
        ++position_;
        switch (character)
        {
        case 'n': return '\n';
        case 't': return '\t';
        case 'r': return '\r';
        case '\\':
        case '"':
        case '\'': return character;
        default: fail(std::string("unknown escape '\\") + character + "' in a string", "write \\\\ for a backslash");
        }
    }

    std::int64_t read_number()
    {
        bool const negative = peek() == '-';
        position_ += negative ? 1 : 0;
        int base = 10;
        if (peek() == '0' && position_ + 1 < text_.size() && (text_[position_ + 1] | 0x20) == 'x')
        {
            base = 16;
            position_ += 2;
        }
        else if (peek() == '0')
        {
            base = 8; // as the manual of xl.cfg says
        }
        std::int64_t number = 0;
        char const* const begin = text_.data() + position_;
        auto const [end, error] = std::from_chars(begin, text_.data() + text_.size(), number, base);
        if (error != std::errc())
        {
            fail(error == std::errc::result_out_of_range ? "the number is too large" : "this is not a number");
        }
        position_ += static_cast<std::size_t>(end - begin);
        if (is_key_start(peek()) || is_digit(peek()) || peek() == '.')
        {
            fail("a number ends in unexpected characters", "put anything but whole numbers in quotation marks");
        }
        return negative ? -number : number;
    }

    XlList read_list(int depth)
    {
        if (depth >= kMaxNesting)
        {
            fail("lists are nested too deep");
        }
        int const start = line_;
        ++position_;
        XlList list;
        for (;;)
        {
            skip_space(true);
            if (at_end())
            {
                fail("the list that starts in line " + std::to_string(start) + " is not closed", "add a ']'");
            }
            if (peek() == ']')
            {
                ++position_;
                return list;
            }
            list.push_back(read_value(depth + 1));
            skip_space(true);
            if (peek() == ',')
            {
                ++position_;
            }
            else if (!at_end() && peek() != ']')
            {
                fail("expected ',' or ']' in the list");
            }
        }
    }

    std::string_view text_;
    std::string const& source_;
    std::size_t position_ = 0;
    int line_ = 1;
};

} // namespace

std::vector<XlAssignment> parse_xl_syntax(std::string_view text, std::string const& source)
{
    if (text.find('\0') != std::string_view::npos)
    {
        throw Error(ExitCode::Usage, source + ": not a text file", "give a guest configuration in xl.cfg or TOML form");
    }
    return Reader(text, source).read_file();
}

} // namespace vm
