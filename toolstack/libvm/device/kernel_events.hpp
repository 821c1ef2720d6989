// SPDX-License-Identifier: MIT
// Waits for what the control domain's kernel does with devices, by its own events instead of by asking again and again.
#pragma once

#include "base/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

namespace vm
{

/// Listens from its construction on: open it before causing what shall be waited for.
class KernelEvents
{
public:
    KernelEvents();

    /// True as soon as `done` is; it is asked first and after each batch of events. False after the limit.
    bool wait_until(std::chrono::milliseconds limit, std::function<bool()> const& done);

    /// Whether the kernel has reported, while we waited, that it is rid of the device with this name.
    bool removed(std::string const& device) const { return removed_.contains(device); }

    /// Whether events were lost, so that `removed` may not know all.
    bool lost() const { return lost_; }

private:
    void drain();

    UniqueFd socket_;
    std::set<std::string> removed_;
    bool lost_ = false;
};

/// Throws Error(NotFound) with a hint if the kernel has no driver for back ends of this kind ("vbd", "vif").
void check_backend_driver(std::string const& kind);

/// The kernel's name of a back-end device: "vbd-3-51712".
std::string backend_device_name(std::string const& kind, std::uint32_t domain, std::uint32_t index);

bool backend_device_exists(std::string const& device);

} // namespace vm
