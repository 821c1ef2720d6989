// SPDX-License-Identifier: MIT
// Reads the daemon's command line.
#pragma once

#include "daemon/log.hpp"

#include <string>

namespace tessera::store
{

struct Options
{
    std::string socket = "/run/xenstored/socket";
    std::string state; // directory of the journal; empty: nothing is kept
    std::string pid_file;
    std::string log_file;
    std::string metrics; // socket of the metrics endpoint; empty: none
    LogLevel log_level = LogLevel::Info;
    bool domains = true;
    bool foreground = false;
    bool sandbox = true;
    int handover = -1; // descriptor of the state that a live update hands over
};

enum class OptionsResult
{
    Run,
    Done,  // help or version was printed
    Usage, // an error was printed
};

OptionsResult parse_options(int count, char** arguments, Options& out);

} // namespace tessera::store
