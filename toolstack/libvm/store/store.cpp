// SPDX-License-Identifier: MIT
// Wraps libxenstore with owned memory, errors that name the path, and waits with a limit.
#include "store/store.hpp"

#include "base/error.hpp"
#include "hypervisor/xen_libraries.hpp"
#include "store/pipeline.hpp"

#include <algorithm>
#include <poll.h>

namespace vm
{
namespace
{

struct Free
{
    void operator()(void* pointer) const { std::free(pointer); }
};

constexpr char kWaitToken[] = "wait";

} // namespace

Store::Store() : handle_(xs_open(0))
{
    if (!handle_)
    {
        int const error_number = errno;
        throw Error(error_number == EACCES ? ExitCode::Denied : ExitCode::Unreachable,
                    std::string("the store daemon cannot be reached: ") + std::strerror(error_number),
                    "is tessera-store (or xenstored) running, and are you root?");
    }
}

Store::~Store()
{
    xs_close(handle_);
}

std::optional<std::string> Store::read(std::string const& path) const
{
    unsigned length = 0;
    std::unique_ptr<void, Free> const value(xs_read(handle_, XBT_NULL, path.c_str(), &length));
    if (!value)
    {
        if (errno == ENOENT)
        {
            return std::nullopt;
        }
        throw system_error("cannot read '" + path + "' from the store", errno);
    }
    return std::string(static_cast<char const*>(value.get()), length);
}

std::vector<std::string> Store::list(std::string const& path) const
{
    unsigned count = 0;
    std::unique_ptr<char*, Free> const names(xs_directory(handle_, XBT_NULL, path.c_str(), &count));
    if (!names)
    {
        if (errno == ENOENT)
        {
            return {};
        }
        throw system_error("cannot list '" + path + "' in the store", errno);
    }
    return {names.get(), names.get() + count};
}

void Store::write(std::string const& path, std::string const& value) const
{
    if (!xs_write(handle_, XBT_NULL, path.c_str(), value.data(), static_cast<unsigned>(value.size())))
    {
        throw system_error("cannot write '" + path + "' to the store", errno);
    }
}

void Store::remove(std::string const& path) const
{
    if (!xs_rm(handle_, XBT_NULL, path.c_str()) && errno != ENOENT)
    {
        throw system_error("cannot remove '" + path + "' from the store", errno);
    }
}

StorePipeline& Store::pipeline()
{
    if (!pipeline_)
    {
        pipeline_ = std::make_unique<StorePipeline>(xs_daemon_socket());
    }
    return *pipeline_;
}

void Store::run(StoreBatch const& batch)
{
    pipeline().run(batch);
}

void Store::run_transaction(StoreBatch const& batch)
{
    pipeline().run_transaction(batch);
}

void Store::watch(std::string const& path, std::string const& token) const
{
    if (!xs_watch(handle_, path.c_str(), token.c_str()))
    {
        throw system_error("cannot watch '" + path + "' in the store", errno);
    }
}

void Store::unwatch(std::string const& path, std::string const& token) const
{
    xs_unwatch(handle_, path.c_str(), token.c_str());
}

int Store::wait_fd() const
{
    return xs_fileno(handle_);
}

int Store::hang_up_fd()
{
    return pipeline().descriptor();
}

std::optional<std::string> Store::take_event() const
{
    if (!events_.empty())
    {
        std::string token = std::move(events_.front());
        events_.pop_front();
        return token;
    }
    return receive_event();
}

std::optional<std::string> Store::receive_event() const
{
    std::unique_ptr<char*, Free> const event(xs_check_watch(handle_));
    if (event)
    {
        return std::string(event.get()[XS_WATCH_TOKEN]);
    }
    if (errno != EAGAIN)
    {
        throw Error(ExitCode::Unreachable, "the store daemon hung up");
    }
    return std::nullopt;
}

bool Store::wait_until(std::string const& path, std::chrono::milliseconds limit, std::function<bool()> const& done,
                       std::chrono::milliseconds look_again) const
{
    if (done())
    {
        return true;
    }
    using Clock = std::chrono::steady_clock;
    auto const deadline = Clock::now() + limit;
    watch(path, kWaitToken);
    struct Unwatch
    {
        Store const& store;
        std::string const& path;
        ~Unwatch() { store.unwatch(path, kWaitToken); }
    } const unwatch_at_end{*this, path};
    for (;;)
    {
        auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd entry{wait_fd(), POLLIN, 0};
        auto const pause = static_cast<int>(std::min<long long>(left, look_again.count()));
        if (left > 0 && ::poll(&entry, 1, pause) < 0 && errno != EINTR)
        {
            throw system_error("waiting for the store", errno);
        }
        while (auto const token = receive_event())
        {
            if (*token != kWaitToken)
            {
                events_.push_back(*token);
            }
        }
        if (done())
        {
            return true;
        }
        if (left <= 0)
        {
            return false;
        }
    }
}

} // namespace vm
