// SPDX-License-Identifier: MIT
// Implements the command line.
#include "daemon/options.hpp"

#include <cstdio>
#include <cstdlib>
#include <getopt.h>

namespace tessera::store
{

namespace
{

constexpr char kHelp[] =
    "usage: tessera-store [options]\n"
    "Serves the store to the control domain, to guests and to local tools.\n"
    "\n"
    "  --socket PATH      listen for local clients here (default /run/xenstored/socket)\n"
    "  --state DIR        keep all state here, so that a restarted daemon goes on where this one stopped\n"
    "  --no-domains       serve the local socket only; needs no hypervisor\n"
    "  --foreground       do not detach from the terminal\n"
    "  --pidfile PATH     write the process id here once the store is ready\n"
    "  --log PATH         append the log to this file instead of standard error\n"
    "  --log-level LEVEL  error, warning, info (default) or debug\n"
    "  --metrics PATH     answer on this socket with counters as text\n"
    "  --no-sandbox       keep all capabilities after start\n"
    "  --version          print the version and exit\n"
    "  --help             print this text and exit\n"
    "\n"
    "Exit codes: 0 ended as asked, 1 failed, 2 wrong usage, 8 hypervisor unreachable.\n";

enum LongOption
{
    kSocket = 256,
    kState,
    kNoDomains,
    kForeground,
    kPidFile,
    kLogFile,
    kLogLevel,
    kMetrics,
    kNoSandbox,
    kHandover,
    kVersion,
    kHelpOption,
};

constexpr option kOptions[] = {
    {"socket", required_argument, nullptr, kSocket},
    {"state", required_argument, nullptr, kState},
    {"no-domains", no_argument, nullptr, kNoDomains},
    {"foreground", no_argument, nullptr, kForeground},
    {"no-fork", no_argument, nullptr, kForeground},
    {"pidfile", required_argument, nullptr, kPidFile},
    {"pid-file", required_argument, nullptr, kPidFile},
    {"log", required_argument, nullptr, kLogFile},
    {"log-level", required_argument, nullptr, kLogLevel},
    {"metrics", required_argument, nullptr, kMetrics},
    {"no-sandbox", no_argument, nullptr, kNoSandbox},
    {"handover", required_argument, nullptr, kHandover},
    {"version", no_argument, nullptr, kVersion},
    {"help", no_argument, nullptr, kHelpOption},
    {nullptr, 0, nullptr, 0},
};

OptionsResult usage_error(char const* cause)
{
    std::fprintf(stderr, "tessera-store: %s\nTry --help for the options.\n", cause);
    return OptionsResult::Usage;
}

OptionsResult apply(int chosen, Options& out)
{
    switch (chosen)
    {
    case kSocket: out.socket = optarg; return OptionsResult::Run;
    case kState: out.state = optarg; return OptionsResult::Run;
    case kNoDomains: out.domains = false; return OptionsResult::Run;
    case kForeground: out.foreground = true; return OptionsResult::Run;
    case kPidFile: out.pid_file = optarg; return OptionsResult::Run;
    case kLogFile: out.log_file = optarg; return OptionsResult::Run;
    case kMetrics: out.metrics = optarg; return OptionsResult::Run;
    case kNoSandbox: out.sandbox = false; return OptionsResult::Run;
    case kHandover: out.handover = static_cast<int>(std::strtol(optarg, nullptr, 10)); return OptionsResult::Run;
    case kLogLevel:
        return parse_log_level(optarg, out.log_level)
                   ? OptionsResult::Run
                   : usage_error("--log-level must be error, warning, info or debug");
    case kVersion: std::puts("tessera-store 0.1"); return OptionsResult::Done;
    case kHelpOption: std::fputs(kHelp, stdout); return OptionsResult::Done;
    default: std::fputs("Try --help for the options.\n", stderr); return OptionsResult::Usage;
    }
}

} // namespace

OptionsResult parse_options(int count, char** arguments, Options& out)
{
    for (;;)
    {
        int const chosen = ::getopt_long(count, arguments, "", kOptions, nullptr);
        if (chosen == -1)
        {
            break;
        }
        OptionsResult const result = apply(chosen, out);
        if (result != OptionsResult::Run)
        {
            return result;
        }
    }
    return optind < count ? usage_error("there are arguments that are not options") : OptionsResult::Run;
}

} // namespace tessera::store
