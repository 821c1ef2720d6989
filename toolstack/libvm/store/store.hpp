// SPDX-License-Identifier: MIT
// The control domain's view of the store: libxenstore for reads and watches, the pipeline for many changes at once.
#pragma once

#include "store/batch.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct xs_handle;

namespace vm
{

class StorePipeline;

class Store
{
public:
    /// Throws Error(Unreachable) if there is no store daemon.
    Store();
    ~Store();
    Store(Store const&) = delete;
    Store& operator=(Store const&) = delete;

    std::optional<std::string> read(std::string const& path) const;
    std::vector<std::string> list(std::string const& path) const; ///< empty if the node is not there
    void write(std::string const& path, std::string const& value) const;
    void remove(std::string const& path) const;

    void run(StoreBatch const& batch);
    void run_transaction(StoreBatch const& batch);

    /// From now on changes below `path` make `wait_fd()` readable.
    void watch(std::string const& path, std::string const& token) const;
    void unwatch(std::string const& path, std::string const& token) const;
    int wait_fd() const;
    /// Becomes readable when the daemon has gone: wait_fd() stays silent then. What was watched has to be watched anew.
    int hang_up_fd();
    /// The token of one event that is waiting, if any.
    std::optional<std::string> take_event() const;
    /// Whether events are waiting that `wait_fd()` does not tell of, since wait_until() has read them.
    bool has_events() const { return !events_.empty(); }

    /// Watches `path` until `done()` is true or the time is over; false in the latter case.
    /// `done` is asked first, after each event, after each `look_again`, and at the end.
    bool wait_until(std::string const& path, std::chrono::milliseconds limit, std::function<bool()> const& done,
                    std::chrono::milliseconds look_again = std::chrono::minutes{1}) const;

private:
    StorePipeline& pipeline();
    std::optional<std::string> receive_event() const;

    xs_handle* handle_;
    mutable std::deque<std::string> events_; ///< of others' watches, read while waiting for our own
    std::unique_ptr<StorePipeline> pipeline_;
};

} // namespace vm
