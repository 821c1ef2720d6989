// SPDX-License-Identifier: MIT
// Interrupts become errors at safe points, and so take the same way back as any other failure.
#include "domain/signals.hpp"

#include "base/error.hpp"

#include <ctime>
#include <pthread.h>
#include <sys/signalfd.h>

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
    while (interrupted_ && take())
    {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool SignalGuard::take() const
{
    timespec const none = {};
    return ::sigtimedwait(&blocked_, nullptr, &none) > 0;
}

UniqueFd SignalGuard::as_file() const
{
    return UniqueFd(::signalfd(-1, &blocked_, SFD_CLOEXEC));
}

void SignalGuard::check()
{
    if (take())
    {
        interrupted_ = true;
        throw Error(ExitCode::Failed, "interrupted; everything done so far is taken back");
    }
}

} // namespace vm
