// SPDX-License-Identifier: MIT
// Loop devices by ioctl, with direct I/O where the file system allows, so that disks are not cached twice.
#include "device/block_device.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace vm
{
namespace
{

constexpr int kMaxAttempts = 64;
constexpr off_t kSectorSize = 512;

struct Target
{
    UniqueFd fd;
    struct stat status = {};
};

Target open_target(DiskConfig const& disk)
{
    Target target;
    target.fd.reset(::open(disk.target.c_str(), (disk.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK));
    if (!target.fd || ::fstat(target.fd.get(), &target.status) != 0)
    {
        throw named_file_error("disk " + disk.device + ": cannot open '" + disk.target + "'", errno,
                               errno == EROFS || errno == EACCES ? "attach it read-only" : "");
    }
    if (!S_ISREG(target.status.st_mode) && !S_ISBLK(target.status.st_mode))
    {
        throw Error(ExitCode::Usage,
                    "disk " + disk.device + ": '" + disk.target + "' is neither a file nor a block device");
    }
    if (S_ISREG(target.status.st_mode) && target.status.st_size < kSectorSize)
    {
        throw Error(ExitCode::Usage, "disk " + disk.device + ": '" + disk.target + "' is too short to be a disk",
                    "make the file larger, with truncate -s for example");
    }
    return target;
}

/// What is behind a loop device; nothing if the device is free.
std::optional<loop_info64> loop_status(UniqueFd const& loop)
{
    loop_info64 info = {};
    if (::ioctl(loop.get(), LOOP_GET_STATUS64, &info) == 0)
    {
        return info;
    }
    if (errno == ENXIO)
    {
        return std::nullopt;
    }
    throw system_error("cannot read the state of a loop device", errno);
}

/// Binds `target` to some free loop device; another process may take the offered one, then the next is tried.
AttachedDisk attach_loop(DiskConfig const& disk, Target const& target, UniqueFd& hold)
{
    UniqueFd const control = open_file("/dev/loop-control", O_RDWR);
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt)
    {
        int const number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0)
        {
            throw system_error("disk " + disk.device + ": no free loop device", errno);
        }
        AttachedDisk attached;
        attached.disk = disk;
        attached.node = "/dev/loop" + std::to_string(number);
        attached.loop = true;
        UniqueFd loop = open_file(attached.node, O_RDWR);
        struct stat status = {};
        loop_config config = {};
        config.fd = static_cast<__u32>(target.fd.get());
        config.info.lo_flags = LO_FLAGS_DIRECT_IO | LO_FLAGS_AUTOCLEAR | (disk.writable ? 0 : LO_FLAGS_READ_ONLY);
        std::strncpy(reinterpret_cast<char*>(config.info.lo_file_name), disk.target.c_str(), LO_NAME_SIZE - 1);
        if (::fstat(loop.get(), &status) == 0 && ::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0)
        {
            attached.major = major(status.st_rdev);
            attached.minor = minor(status.st_rdev);
            attached.file_device = target.status.st_dev;
            attached.file_inode = target.status.st_ino;
            hold = std::move(loop);
            return attached;
        }
        if (errno != EBUSY)
        {
            throw system_error("disk " + disk.device + ": cannot bind '" + disk.target + "' to " + attached.node,
                               errno);
        }
    }
    throw Error(ExitCode::NoResources, "disk " + disk.device + ": loop devices are taken faster than they are found");
}

/// The disk's loop device, open, if it still has the disk's file.
UniqueFd open_if_bound(AttachedDisk const& disk)
{
    if (!disk.loop)
    {
        return {};
    }
    UniqueFd loop = open_file(disk.node, O_RDONLY);
    auto const bound = loop_status(loop);
    return bound && is_file_of(disk, *bound) ? std::move(loop) : UniqueFd();
}

} // namespace

void check_disk_target(DiskConfig const& disk)
{
    open_target(disk);
}

std::string disk_identity(DiskConfig const& disk)
{
    Target const target = open_target(disk);
    if (S_ISBLK(target.status.st_mode))
    {
        return "dev-" + std::to_string(major(target.status.st_rdev)) + "-" +
               std::to_string(minor(target.status.st_rdev));
    }
    return "fs-" + std::to_string(target.status.st_dev) + "-" + std::to_string(target.status.st_ino);
}

AttachedDisk attach_disk(DiskConfig const& disk, UniqueFd& hold)
{
    Target const target = open_target(disk);
    if (S_ISREG(target.status.st_mode))
    {
        return attach_loop(disk, target, hold);
    }
    AttachedDisk attached;
    attached.disk = disk;
    attached.node = disk.target;
    attached.major = major(target.status.st_rdev);
    attached.minor = minor(target.status.st_rdev);
    return attached;
}

void keep_disk(UniqueFd const& hold)
{
    if (!hold)
    {
        return; // a block device: nothing was set up
    }
    auto info = loop_status(hold);
    if (!info)
    {
        throw Error(ExitCode::Failed, "a loop device was taken down while it was set up");
    }
    info->lo_flags &= ~static_cast<__u32>(LO_FLAGS_AUTOCLEAR);
    if (::ioctl(hold.get(), LOOP_SET_STATUS64, &*info) != 0)
    {
        throw system_error("cannot make a loop device last", errno);
    }
}

bool is_file_of(AttachedDisk const& disk, loop_info64 const& bound)
{
    return bound.lo_device == disk.file_device && bound.lo_inode == disk.file_inode;
}

bool disk_is_bound(AttachedDisk const& disk)
{
    return static_cast<bool>(open_if_bound(disk));
}

void detach_disk(AttachedDisk const& disk)
{
    UniqueFd const loop = open_if_bound(disk);
    if (!loop)
    {
        return; // never ours, gone already, or somebody else's by now
    }
    if (::ioctl(loop.get(), LOOP_CLR_FD) != 0 && errno != ENXIO)
    {
        throw system_error("cannot take down " + disk.node, errno);
    }
}

} // namespace vm
