// SPDX-License-Identifier: MIT
// Turns the process into a daemon and tells those who wait for it that it is ready.
#pragma once

#include "transport/event_loop.hpp"

#include <string>

namespace tessera::store
{

// Detaches from the terminal. The parent waits until announce_ready() and then exits with 0, or with 1 when the
// daemon ends before that. Returns the descriptor to pass to announce_ready(), in the daemon only.
FileDescriptor detach();

// Raises the limit on open descriptors as far as the process may: each local client takes one.
void allow_many_descriptors();

// Writes the pid file, tells the waiting parent, and notifies the service manager if there is one.
// Throws std::runtime_error when the pid file cannot be written.
void announce_ready(FileDescriptor waiting_parent, std::string const& pid_file);

// Tells the service manager about a change ("RELOADING=1", "STOPPING=1"); does nothing without one.
void notify_manager(std::string_view message);

} // namespace tessera::store
