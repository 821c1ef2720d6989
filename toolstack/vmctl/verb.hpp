// SPDX-License-Identifier: MIT
// What a verb of vmctl is: its words, its options, and the function behind it.
#pragma once

#include "base/error.hpp"
#include "output.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vmctl
{

using vm::Error;
using vm::ExitCode;

struct Option
{
    std::string_view name; ///< without the dashes
    char letter = '\0';
    std::string_view value; ///< what the value is called in the help, empty for a switch
    std::string_view help;
};

/// A command line taken apart and checked against its verb.
class Invocation
{
public:
    std::vector<std::string> operands;
    std::map<std::string, std::string, std::less<>> options;
    Format format = Format::Table;

    bool has(std::string_view option) const { return options.contains(option); }

    /// A whole number from the option's value, or `otherwise`; throws Error(Usage) if it is not one in the range.
    long number(std::string_view option, long otherwise, long low, long high) const;
};

struct Verb
{
    std::string_view name;     ///< "create", or two words: "host info"
    std::string_view operands; ///< for the help: "CONFIG"
    std::size_t min_operands = 0;
    std::size_t max_operands = 0;
    std::string_view summary;
    std::vector<Option> options;
    ExitCode (*run)(Invocation const&);
};

/// Every verb, in the order of the help.
std::vector<Verb> const& verbs();

extern Verb const kCreate;
extern Verb const kList;
extern Verb const kShow;
extern Verb const kConsole;
extern Verb const kPause;
extern Verb const kResume;
extern Verb const kShutdown;
extern Verb const kReboot;
extern Verb const kDestroy;
extern Verb const kHostInfo;
extern Verb const kHostDmesg;
extern Verb const kSupervise;

/// Takes the words after the program's name apart. Throws Error(Usage) with a hint.
/// On return `verb` is null if only help or the version is wanted, which `invocation` then says.
void parse_command_line(std::vector<std::string> const& words, Verb const*& verb, Invocation& invocation);

void print_help(Verb const* verb);

} // namespace vmctl
