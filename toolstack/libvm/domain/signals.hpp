// SPDX-License-Identifier: MIT
// Holds back interrupts while something is half done.
#pragma once

#include <csignal>

namespace vm
{

/// Blocks SIGINT, SIGTERM and SIGHUP for its lifetime; `check` turns a waiting one into an Error at a safe point.
class SignalGuard
{
public:
    SignalGuard();
    ~SignalGuard();
    SignalGuard(SignalGuard const&) = delete;
    SignalGuard& operator=(SignalGuard const&) = delete;

    void check() const;

private:
    sigset_t blocked_;
    sigset_t before_;
};

} // namespace vm
