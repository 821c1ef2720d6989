// SPDX-License-Identifier: MIT
// Holds back interrupts while something is half done.
#pragma once

#include "base/unique_fd.hpp"

#include <csignal>

namespace vm
{

/// Blocks SIGINT, SIGTERM and SIGHUP for its lifetime; `check` turns a waiting one into an Error at a safe point.
/// Further ones that come while the way back is gone are dropped: what they ask for is done already.
class SignalGuard
{
public:
    SignalGuard();
    ~SignalGuard();
    SignalGuard(SignalGuard const&) = delete;
    SignalGuard& operator=(SignalGuard const&) = delete;

    /// Takes a waiting signal and throws Error(Failed); does nothing if none waits.
    void check();

    /// A file that is readable while one waits.
    UniqueFd as_file() const;

private:
    bool take() const;

    sigset_t blocked_;
    sigset_t before_;
    bool interrupted_ = false; ///< `check` has thrown
};

} // namespace vm
