// SPDX-License-Identifier: MIT
// Makes a disk's target usable by the block back end: files through loop devices, block devices as they are.
#pragma once

#include "base/unique_fd.hpp"
#include "config/guest_config.hpp"
#include "store/layout.hpp"

#include <linux/loop.h>
#include <string>

namespace vm
{

/// Checks that the target exists, is a file or block device, and can be opened as the disk wants.
/// Throws Error with the cause; changes nothing.
void check_disk_target(DiskConfig const& disk);

/// Identifies what is behind a target, whatever its path: "fs-DEV-INODE" or "dev-MAJOR-MINOR".
std::string disk_identity(DiskConfig const& disk);

/// Sets up a loop device for a file, or looks up the numbers of a block device. A loop device set up so goes by
/// itself when `hold` is closed, also because its process dies, until keep_disk() makes it last.
AttachedDisk attach_disk(DiskConfig const& disk, UniqueFd& hold);

/// To be called when the loop device is on record, so that somebody will take it down.
void keep_disk(UniqueFd const& hold);

/// Takes the loop device down again; done at once if nobody has it open, else when its last user closes it.
void detach_disk(AttachedDisk const& disk);

/// Whether what the kernel says of a bound loop device is the disk's file, which may have been renamed.
bool is_file_of(AttachedDisk const& disk, loop_info64 const& bound);

/// Whether the disk's loop device, if it has one, is still bound to the disk's file.
bool disk_is_bound(AttachedDisk const& disk);

} // namespace vm
