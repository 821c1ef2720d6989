// SPDX-License-Identifier: MIT
// Gives up what a started daemon no longer needs.
#pragma once

namespace tessera::store {

// Drops every capability and forbids gaining new ones by running set-user-id programs. All devices are open by then;
// a program that a live update starts as root gets root's capabilities again, to open its own. False if the kernel refuses.
bool drop_privileges();

}  // namespace tessera::store
