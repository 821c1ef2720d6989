// SPDX-License-Identifier: MIT
// Stands in for what needs a hypervisor or a store daemon: the tests are linked with these instead.
#include "fake_host.hpp"

#include "base/file.hpp"
#include "domain/teardown.hpp"
#include "hypervisor/library_log.hpp"
#include "store/pipeline.hpp"

#include <cstdlib>
#include <filesystem>
#include <unistd.h>

namespace vm
{
namespace test
{

FakeHost& fake_host()
{
    static FakeHost host;
    return host;
}

HostTest::HostTest() : root_(testing::TempDir() + "vmctl-host-" + std::to_string(::getpid()))
{
    fake_host() = {};
    std::filesystem::remove_all(root_);
    make_directories(root_);
    ::setenv("TESSERA_STATE_DIR", (root_ + "/state").c_str(), 1);
}

HostTest::~HostTest()
{
    ::unsetenv("TESSERA_STATE_DIR");
    std::filesystem::remove_all(root_);
}

} // namespace test

using test::fake_host;

Hypervisor::Hypervisor() = default;
Hypervisor::~Hypervisor() = default;

HostInfo Hypervisor::host_info() const
{
    return {};
}

std::string Hypervisor::read_log(bool clear) const
{
    fake_host().log_was_read = true;
    std::string const log = fake_host().log;
    if (clear)
    {
        fake_host().log.clear();
    }
    return log;
}

std::vector<DomainInfo> Hypervisor::domains() const
{
    return fake_host().domains;
}

std::optional<DomainInfo> Hypervisor::domain(DomainId id) const
{
    for (DomainInfo const& info : fake_host().domains)
    {
        if (info.id == id)
        {
            return info;
        }
    }
    return std::nullopt;
}

void Hypervisor::dump_core(DomainId, std::string const&) const {}

std::string to_string(ShutdownReason)
{
    return "ended";
}

LibraryLog::LibraryLog() = default;

Store::Store() : handle_(nullptr) {}
Store::~Store() = default;

std::optional<std::string> Store::read(std::string const& path) const
{
    ++fake_host().store_reads;
    auto const found = fake_host().nodes.find(path);
    return found == fake_host().nodes.end() ? std::nullopt : std::optional(found->second);
}

void Store::run(StoreBatch const&) {}
void Store::watch(std::string const&, std::string const&) const {}

int Store::wait_fd() const
{
    return -1;
}

int Store::hang_up_fd()
{
    return -1;
}

std::optional<std::string> Store::take_event() const
{
    return std::nullopt;
}

/// Nothing happens while one waits.
bool Store::wait_until(std::string const&, std::chrono::milliseconds, std::function<bool()> const& done,
                       std::chrono::milliseconds) const
{
    return done();
}

IsAlive Host::liveness() const
{
    return [this](DomainId domain, Uuid const&) { return hypervisor.domain(domain).has_value(); };
}

void check_guest(Host&, GuestConfig const& guest)
{
    fake_host().checked.push_back(guest);
}

GuestRecord create_guest(Host&, GuestConfig const& guest, CreateOptions const&)
{
    fake_host().created.push_back(guest);
    GuestRecord record;
    record.domain = test::kNewDomain;
    record.config = guest;
    record.config.uuid = random_uuid();
    fake_host().domains.push_back(DomainInfo{.id = record.domain, .uuid = *record.config.uuid});
    return record;
}

bool destroy_guest(Host&, DomainId, Uuid const&, std::chrono::seconds)
{
    return true;
}

void strip_guest(Host&, GuestRecord&, std::string const&) {}

} // namespace vm
