// SPDX-License-Identifier: MIT
// Takes command lines apart and prints help from the same tables.
#include "verb.hpp"

#include "config/suggest.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace vmctl
{
namespace
{

constexpr Option kCommonOptions[] = {
    {"format", 'f', "FORMAT", "table (default), json, yaml or csv"},
    {"help", 'h', "", "show this help"},
    {"version", 'V', "", "show the version"},
};

std::vector<Option> options_of(Verb const* verb)
{
    std::vector<Option> all(std::begin(kCommonOptions), std::end(kCommonOptions));
    if (verb)
    {
        all.insert(all.begin(), verb->options.begin(), verb->options.end());
    }
    return all;
}

[[noreturn]] void fail(std::string const& cause, std::string const& hint)
{
    throw Error(ExitCode::Usage, cause, hint);
}

Option const& find_option(std::vector<Option> const& known, std::string_view name, char letter)
{
    auto const at = std::find_if(known.begin(), known.end(), [&](Option const& option) {
        return letter ? option.letter == letter : option.name == name;
    });
    if (at == known.end())
    {
        std::vector<std::string_view> names;
        names.reserve(known.size());
        for (Option const& option : known)
        {
            names.push_back(option.name);
        }
        std::string const given = letter ? std::string("-") + letter : "--" + std::string(name);
        std::string const near = letter ? "" : vm::closest_word(name, names);
        fail("unknown option '" + given + "'",
             near.empty() ? "--help lists the options" : "did you mean '--" + near + "'?");
    }
    return *at;
}

Verb const* find_verb(std::vector<std::string> const& words)
{
    for (Verb const& verb : verbs())
    {
        std::string const two = words.size() > 1 ? words[0] + " " + words[1] : "";
        if (verb.name == words[0] || verb.name == two)
        {
            return &verb;
        }
    }
    std::vector<std::string_view> names;
    std::string longer;
    for (Verb const& verb : verbs())
    {
        names.push_back(verb.name);
        if (words.size() == 1 && verb.name.starts_with(words[0] + " "))
        {
            longer += (longer.empty() ? "vmctl " : " or vmctl ") + std::string(verb.name);
        }
    }
    if (!longer.empty())
    {
        fail("'" + words[0] + "' needs a second word", "use " + longer);
    }
    std::string const given = words[0] == "host" && words.size() > 1 ? words[0] + " " + words[1] : words[0];
    fail("unknown verb '" + given + "'", vm::did_you_mean(given, names, "vmctl help lists the verbs"));
}

/// Options may stand anywhere; "--" ends them.
class Splitter
{
public:
    Splitter(std::vector<std::string> const& words, std::size_t start, Verb const* verb, Invocation& invocation)
        : words_(words), position_(start), known_(options_of(verb)), invocation_(invocation)
    {
    }

    void split()
    {
        for (; position_ < words_.size(); ++position_)
        {
            std::string const& word = words_[position_];
            if (only_operands_ || word.size() < 2 || word[0] != '-')
            {
                invocation_.operands.push_back(word);
            }
            else if (word == "--")
            {
                only_operands_ = true;
            }
            else if (word[1] == '-')
            {
                long_option(word.substr(2));
            }
            else
            {
                short_options(word.substr(1));
            }
        }
    }

private:
    std::string next_value(Option const& option)
    {
        if (position_ + 1 >= words_.size())
        {
            fail("the option --" + std::string(option.name) + " needs a value", "");
        }
        return words_[++position_];
    }

    void long_option(std::string const& text)
    {
        std::size_t const equals = text.find('=');
        Option const& option = find_option(known_, std::string_view(text).substr(0, equals), '\0');
        if (option.value.empty() && equals != text.npos)
        {
            fail("the option --" + std::string(option.name) + " takes no value", "");
        }
        std::string value;
        if (!option.value.empty())
        {
            value = equals != text.npos ? text.substr(equals + 1) : next_value(option);
        }
        invocation_.options[std::string(option.name)] = value;
    }

    void short_options(std::string const& letters)
    {
        for (std::size_t index = 0; index < letters.size(); ++index)
        {
            Option const& option = find_option(known_, {}, letters[index]);
            std::string value;
            if (!option.value.empty())
            {
                value = index + 1 < letters.size() ? letters.substr(index + 1) : next_value(option);
                index = letters.size();
            }
            invocation_.options[std::string(option.name)] = value;
        }
    }

    std::vector<std::string> const& words_;
    std::size_t position_;
    std::vector<Option> known_;
    Invocation& invocation_;
    bool only_operands_ = false;
};

void check_operands(Verb const& verb, Invocation const& invocation)
{
    std::string const usage = "usage: vmctl " + std::string(verb.name) + " [OPTION]... " + std::string(verb.operands);
    if (invocation.operands.size() < verb.min_operands)
    {
        fail("vmctl " + std::string(verb.name) + " needs more: " + std::string(verb.operands), usage);
    }
    if (invocation.operands.size() > verb.max_operands)
    {
        fail("unexpected argument '" + invocation.operands[verb.max_operands] + "'", usage);
    }
}

void print_options(std::vector<Option> const& options)
{
    for (Option const& option : options)
    {
        std::string left = option.letter ? std::string("-") + option.letter + ", " : "    ";
        left += "--" + std::string(option.name);
        if (!option.value.empty())
        {
            left += "=" + std::string(option.value);
        }
        std::printf("  %-26s %.*s\n", left.c_str(), static_cast<int>(option.help.size()), option.help.data());
    }
}

/// The form that errors in the command line itself shall have: the last one that somebody asks for.
Format format_for_errors(std::vector<std::string> const& words)
{
    Format format = Format::Table;
    for (std::size_t index = 0; index < words.size() && words[index] != "--"; ++index)
    {
        std::string const& word = words[index];
        bool const apart = word == "--format" || word == "-f";
        std::string value = apart && index + 1 < words.size() ? words[index + 1] : "";
        value = word.starts_with("--format=")      ? word.substr(9)
                : word.starts_with("-f") && !apart ? word.substr(2)
                                                   : value;
        format = value == "json" ? Format::Json : value.empty() ? format : Format::Table;
    }
    return format;
}

} // namespace

long Invocation::number(std::string_view option, long otherwise, long low, long high) const
{
    auto const at = options.find(option);
    if (at == options.end())
    {
        return otherwise;
    }
    long value = 0;
    char const* const end = at->second.data() + at->second.size();
    auto const result = std::from_chars(at->second.data(), end, value);
    if (at->second.empty() || result.ec != std::errc() || result.ptr != end || value < low || value > high)
    {
        fail("--" + std::string(option) + " must be a whole number between " + std::to_string(low) + " and " +
                 std::to_string(high),
             "");
    }
    return value;
}

void parse_command_line(std::vector<std::string> const& words, Verb const*& verb, Invocation& invocation)
{
    verb = nullptr;
    invocation.format = format_for_errors(words);
    if (words.empty())
    {
        fail("what shall be done?", "vmctl help lists the verbs");
    }
    if (words[0][0] == '-')
    {
        Splitter(words, 0, nullptr, invocation).split();
        if (!invocation.has("help") && !invocation.has("version"))
        {
            fail("the verb comes before its options", "vmctl help lists the verbs");
        }
        return;
    }
    if (words[0] == "help" || words[0] == "version")
    {
        invocation.options[words[0]] = "";
        if (words[0] == "help" && words.size() > 1 && words[1] != "help" && words[1] != "version")
        {
            verb = find_verb({words.begin() + 1, words.end()});
        }
        return;
    }
    verb = find_verb(words);
    std::size_t const verb_words = verb->name.find(' ') == verb->name.npos ? 1 : 2;
    Splitter(words, verb_words, verb, invocation).split();
    if (invocation.has("help") || invocation.has("version"))
    {
        return;
    }
    invocation.format = invocation.has("format") ? parse_format(invocation.options["format"]) : Format::Table;
    check_operands(*verb, invocation);
}

void print_help(Verb const* verb)
{
    if (verb)
    {
        std::printf("usage: vmctl %s [OPTION]... %s\n\n%s.\n\noptions:\n", std::string(verb->name).c_str(),
                    std::string(verb->operands).c_str(), std::string(verb->summary).c_str());
        print_options(options_of(verb));
        return;
    }
    std::printf("usage: vmctl VERB [OPTION]... [ARGUMENT]...\n\nCreates and manages guests of this host.\n\nverbs:\n");
    for (Verb const& each : verbs())
    {
        std::string const left = std::string(each.name) + " " + std::string(each.operands);
        std::printf("  %-26s %s\n", left.c_str(), std::string(each.summary).c_str());
    }
    std::printf("  %-26s Show this help, or that of a verb\n  %-26s Show the version\n\noptions of every verb:\n",
                "help [VERB]", "version");
    print_options(options_of(nullptr));
    std::printf("\nexit codes: 0 ok, 1 failed, 2 usage or configuration, 3 not found, 4 wrong state, 5 denied,\n"
                "  6 no resources, 7 timeout, 8 hypervisor or store unreachable, 9 partly done, 10 would change\n");
}

} // namespace vmctl
