// SPDX-License-Identifier: MIT
// Records and claims as small files; flock on lock files, which the kernel lets go when a process dies.
#include "domain/registry.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "device/block_device.hpp"
#include "domain/record_json.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr std::size_t kMaxRecord = 4 << 20;

std::optional<DomainId> parse_domain(std::string_view text)
{
    DomainId domain = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), domain);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
    {
        return std::nullopt;
    }
    return domain;
}

std::vector<std::string> names_in(std::string const& directory)
{
    std::vector<std::string> names;
    std::error_code error;
    for (auto const& entry : std::filesystem::directory_iterator(directory, error))
    {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

/// Locks the file that is at `path` now: one that was removed while we waited is not it.
UniqueFd lock_file(std::string const& path, int open_mode, int operation)
{
    for (;;)
    {
        UniqueFd fd = open_file(path, open_mode | O_CREAT);
        while (::flock(fd.get(), operation) != 0)
        {
            if (errno == EWOULDBLOCK)
            {
                return {};
            }
            if (errno != EINTR)
            {
                throw system_error("cannot lock '" + path + "'", errno);
            }
        }
        struct stat status = {};
        if (::fstat(fd.get(), &status) == 0 && status.st_nlink > 0)
        {
            return fd;
        }
    }
}

} // namespace

Registry::Registry(std::string root) : root_(std::move(root)) {}

std::string Registry::default_root()
{
    char const* const given = std::getenv("TESSERA_STATE_DIR");
    return given && *given ? given : "/run/tessera";
}

Registry::Lock Registry::lock() const
{
    make_directories(root_);
    return Lock(lock_file(root_ + "/lock", O_RDWR, LOCK_EX));
}

Registry::Lock Registry::lock_guest(DomainId domain) const
{
    make_directories(lock_directory());
    return Lock(lock_file(lock_path(domain), O_RDWR, LOCK_EX));
}

std::optional<Registry::Lock> Registry::try_lock_guest(DomainId domain) const
{
    make_directories(lock_directory());
    UniqueFd fd = lock_file(lock_path(domain), O_RDONLY, LOCK_EX | LOCK_NB);
    return fd ? std::optional<Lock>(std::move(fd)) : std::nullopt;
}

std::string Registry::record_path(DomainId domain) const
{
    return root_ + "/guests/" + std::to_string(domain) + ".json";
}

std::string Registry::restart_path(std::string const& name) const
{
    return root_ + "/restarts/" + name + ".json";
}

std::string Registry::lock_directory() const
{
    return root_ + "/locks";
}

std::string Registry::lock_path(DomainId domain) const
{
    return lock_directory() + "/" + std::to_string(domain);
}

std::string Registry::name_path(std::string const& name) const
{
    return root_ + "/names/" + name;
}

std::string Registry::disk_path(DiskConfig const& disk) const
{
    return root_ + "/disks/" + disk_identity(disk);
}

void Registry::write(GuestRecord const& record) const
{
    make_directories(root_ + "/guests");
    replace_file(record_path(record.domain), record_to_json(record));
}

std::optional<GuestRecord> Registry::read(DomainId domain) const
{
    return read_record(record_path(domain));
}

std::optional<GuestRecord> Registry::read_record(std::string const& path)
{
    if (::access(path.c_str(), F_OK) != 0)
    {
        return std::nullopt;
    }
    try
    {
        return record_from_json(read_file(path, kMaxRecord));
    }
    catch (Error const& error)
    {
        if (error.code() == ExitCode::NotFound)
        {
            return std::nullopt; // removed in between
        }
        throw Error(error.code(), path + ": " + error.what(),
                    "repair the file; without it the guest can be destroyed, but its loop devices stay (see losetup)");
    }
}

bool Registry::has_record(DomainId domain) const
{
    return ::access(record_path(domain).c_str(), F_OK) == 0;
}

std::vector<DomainId> Registry::list() const
{
    std::vector<DomainId> domains;
    for (std::string const& name : names_in(root_ + "/guests"))
    {
        if (name.ends_with(".json"))
        {
            if (auto const domain = parse_domain(std::string_view(name).substr(0, name.size() - 5)))
            {
                domains.push_back(*domain);
            }
        }
    }
    return domains;
}

std::optional<DomainId> Registry::find_name(std::string const& name) const
{
    auto const text = read_attribute(name_path(name));
    return text ? parse_domain(*text) : std::nullopt;
}

bool Registry::name_is_taken(std::string const& name, IsAlive const& alive) const
{
    auto const holder = find_name(name);
    return holder && holder_lives(*holder, alive);
}

bool Registry::holder_lives(DomainId domain, IsAlive const& alive) const
{
    auto const record = read(domain);
    return record && alive(domain, *record->config.uuid);
}

void Registry::check_disk(DiskConfig const& disk, IsAlive const& alive) const
{
    for (std::string const& claim : names_in(disk_path(disk)))
    {
        bool const written = claim.starts_with("w-");
        auto const holder = parse_domain(std::string_view(claim).substr(2));
        if (holder && (written || disk.writable) && holder_lives(*holder, alive))
        {
            throw Error(ExitCode::WrongState,
                        "disk " + disk.device + ": '" + disk.target + "' is in use by domain " +
                            std::to_string(*holder) + (written ? "" : " for reading"),
                        "two guests may share a disk only if both have it read-only");
        }
    }
}

void Registry::check_claims(GuestConfig const& config, IsAlive const& alive) const
{
    if (name_is_taken(config.name, alive))
    {
        throw Error(ExitCode::WrongState,
                    "the name '" + config.name + "' is in use by domain " + std::to_string(*find_name(config.name)),
                    "choose another name, or destroy that guest");
    }
    for (DiskConfig const& disk : config.disks)
    {
        check_disk(disk, alive);
    }
    for (std::size_t index = 0; index < config.disks.size(); ++index)
    {
        for (std::size_t other = 0; other < index; ++other)
        {
            bool const shared = config.disks[index].writable || config.disks[other].writable;
            if (shared && disk_identity(config.disks[index]) == disk_identity(config.disks[other]))
            {
                throw Error(ExitCode::Usage, "disks " + config.disks[other].device + " and " +
                                                 config.disks[index].device + " are the same, and one is writable");
            }
        }
    }
}

void Registry::claim(GuestRecord& record, IsAlive const& alive) const
{
    check_claims(record.config, alive);
    make_directories(root_ + "/names");
    std::string const domain = std::to_string(record.domain);
    record.claims.clear();
    for (DiskConfig const& disk : record.config.disks)
    {
        record.claims.push_back(disk_path(disk) + (disk.writable ? "/w-" : "/r-") + domain);
    }
    write(record); // first: whoever cleans up after us must find what follows
    replace_file(name_path(record.config.name), domain + "\n");
    for (std::string const& claim : record.claims)
    {
        make_directories(claim.substr(0, claim.rfind('/')));
        replace_file(claim, "");
    }
}

void Registry::remove_claims(GuestRecord const& record) const
{
    if (find_name(record.config.name) == record.domain)
    {
        ::unlink(name_path(record.config.name).c_str());
    }
    for (std::string const& claim : record.claims)
    {
        ::unlink(claim.c_str());
        ::rmdir(claim.substr(0, claim.rfind('/')).c_str()); // fails, rightly, while another guest has a claim
    }
}

void Registry::remove(GuestRecord const& record) const
{
    remove_claims(record);
    ::unlink(record_path(record.domain).c_str());
    forget_lock(record.domain);
}

Registry::Lock Registry::announce(Uuid const& uuid) const
{
    make_directories(lock_directory());
    return Lock(lock_file(lock_directory() + "/" + to_string(uuid), O_RDWR, LOCK_EX));
}

void Registry::unannounce(Uuid const& uuid) const
{
    ::unlink((lock_directory() + "/" + to_string(uuid)).c_str());
}

std::vector<Uuid> Registry::announced() const
{
    std::vector<Uuid> uuids;
    for (std::string const& name : names_in(lock_directory()))
    {
        if (auto const uuid = parse_domain(name) ? std::nullopt : parse_uuid(name))
        {
            uuids.push_back(*uuid);
        }
    }
    return uuids;
}

std::optional<Registry::Lock> Registry::try_lock_announced(Uuid const& uuid) const
{
    UniqueFd fd = lock_file(lock_directory() + "/" + to_string(uuid), O_RDONLY, LOCK_EX | LOCK_NB);
    return fd ? std::optional<Lock>(std::move(fd)) : std::nullopt;
}

void Registry::write_restart(GuestRecord const& record) const
{
    make_directories(root_ + "/restarts");
    replace_file(restart_path(record.config.name), record_to_json(record));
}

std::optional<GuestRecord> Registry::read_restart(std::string const& name) const
{
    return read_record(restart_path(name));
}

std::vector<std::string> Registry::restarts() const
{
    std::vector<std::string> names;
    for (std::string const& file : names_in(root_ + "/restarts"))
    {
        if (file.ends_with(".json") && !file.starts_with('.'))
        {
            names.push_back(file.substr(0, file.size() - 5));
        }
    }
    return names;
}

bool Registry::forget_restart(std::string const& name) const
{
    return name.find('/') == name.npos && ::unlink(restart_path(name).c_str()) == 0; // users give names of any kind
}

void Registry::forget_lock(DomainId domain) const
{
    ::unlink(lock_path(domain).c_str());
}

} // namespace vm
