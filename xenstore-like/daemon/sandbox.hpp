// SPDX-License-Identifier: MIT
// Gives up what a started daemon no longer needs.
#pragma once

namespace tessera::store
{

// Drops every capability, forbids gaining new ones by running set-user-id programs, and limits the system calls to those
// that a store uses; others fail with EPERM. All devices are open by then. A program that a live update starts inherits
// all of it, so the list holds what starting needs, too. False, with errno set, if the kernel refuses.
bool drop_privileges();

} // namespace tessera::store
