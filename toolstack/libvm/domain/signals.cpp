// SPDX-License-Identifier: MIT
// Interrupts become errors at safe points, and so take the same way back as any other failure.
#include "domain/signals.hpp"

#include "base/error.hpp"

#include <ctime>
#include <pthread.h>

namespace vm
{

SignalGuard::SignalGuard()
{
    sigemptyset(&blocked_);
    for (int const number : {SIGINT, SIGTERM, SIGHUP})
    {
        sigaddset(&blocked_, number);
    }
    pthread_sigmask(SIG_BLOCK, &blocked_, &before_);
}

SignalGuard::~SignalGuard()
{
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void SignalGuard::check() const
{
    timespec const none = {};
    if (::sigtimedwait(&blocked_, nullptr, &none) > 0)
    {
        throw Error(ExitCode::Failed, "interrupted; everything done so far is taken back");
    }
}

} // namespace vm
