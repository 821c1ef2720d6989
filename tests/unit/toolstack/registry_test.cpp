// SPDX-License-Identifier: MIT
// Records and claims: names and writable disks belong to one living guest, and to nobody once it is gone.
#include "base/file.hpp"
#include "device/block_device.hpp"
#include "domain/record_json.hpp"
#include "domain/registry.hpp"
#include "expect_error.hpp"
#include "supervise/ended_log.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

namespace vm
{
namespace
{

using test::expect_error;

class RegistryTest : public testing::Test
{
protected:
    RegistryTest() : root_(testing::TempDir() + "vmctl-registry-" + std::to_string(::getpid())), registry_(root_ + "/r")
    {
        std::filesystem::remove_all(root_);
        make_directories(root_);
        for (char const* const name : {"/d1", "/d2"})
        {
            std::ofstream(root_ + name) << std::string(4096, 'x');
        }
    }
    ~RegistryTest() override { std::filesystem::remove_all(root_); }

    GuestRecord record(DomainId domain, std::string const& name, std::string const& disk = {}, bool writable = true)
    {
        GuestRecord record;
        record.domain = domain;
        record.config.name = name;
        record.config.uuid = random_uuid();
        if (!disk.empty())
        {
            record.config.disks.push_back(DiskConfig{root_ + disk, "xvda", 51712, writable, true});
        }
        return record;
    }

    /// A guest that claims what it needs; it lives from then on.
    GuestRecord start(GuestRecord record)
    {
        auto const lock = registry_.lock();
        registry_.claim(record, alive());
        living_.insert(record.domain);
        return record;
    }

    IsAlive alive()
    {
        return [this](DomainId domain, Uuid const&) { return living_.contains(domain); };
    }

    std::string root_;
    Registry registry_;
    std::set<DomainId> living_;
};

TEST_F(RegistryTest, FindsWhatItWasTold)
{
    GuestRecord const web = start(record(3, "web", "/d1"));
    EXPECT_EQ(registry_.find_name("web"), 3u);
    EXPECT_EQ(registry_.list(), std::vector<DomainId>{3});
    auto const read = registry_.read(3);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->config, web.config);
    EXPECT_EQ(read->claims.size(), 1u);
    EXPECT_FALSE(registry_.read(4));
    EXPECT_FALSE(registry_.find_name("db"));
}

TEST_F(RegistryTest, RefusesANameInUse)
{
    start(record(3, "web"));
    expect_error(ExitCode::WrongState, "'web' is in use by domain 3", "", [&] { start(record(4, "web")); });
    living_.erase(3);
    start(record(4, "web"));
    EXPECT_EQ(registry_.find_name("web"), 4u);
}

TEST_F(RegistryTest, SharesDisksForReadingOnly)
{
    start(record(3, "a", "/d1", false));
    start(record(4, "b", "/d1", false));
    expect_error(ExitCode::WrongState, "in use by domain", "read-only", [&] { start(record(5, "c", "/d1", true)); });
    start(record(5, "c", "/d2", true));
    expect_error(ExitCode::WrongState, "in use by domain 5", "", [&] { start(record(6, "d", "/d2", false)); });
    expect_error(ExitCode::WrongState, "in use by domain 5", "", [&] { start(record(6, "d", "/d2", true)); });
}

TEST_F(RegistryTest, KnowsADiskUnderAnotherPath)
{
    std::filesystem::create_symlink(root_ + "/d1", root_ + "/link");
    start(record(3, "a", "/d1"));
    EXPECT_THROW(start(record(4, "b", "/link")), Error);
}

TEST_F(RegistryTest, RefusesTheSameDiskTwiceInOneGuest)
{
    GuestRecord twice = record(3, "a", "/d1");
    twice.config.disks.push_back(DiskConfig{root_ + "/d1", "xvdb", 51728, false, true});
    expect_error(ExitCode::Usage, "are the same", "", [&] { start(twice); });
    twice.config.disks[0].writable = false;
    start(twice);
}

TEST_F(RegistryTest, LeavesNothingBehind)
{
    GuestRecord const first = start(record(3, "a", "/d1", false));
    GuestRecord const second = start(record(4, "b", "/d1", false));
    std::filesystem::remove(root_ + "/d1"); // the claims go even if the disk is gone
    registry_.remove(first);
    EXPECT_FALSE(registry_.read(3));
    registry_.remove(second);
    for (char const* const directory : {"/r/guests", "/r/names", "/r/disks"})
    {
        EXPECT_TRUE(std::filesystem::is_empty(root_ + directory)) << directory;
    }
}

TEST_F(RegistryTest, DoesNotRemoveANameThatAnotherGuestHasTakenOver)
{
    GuestRecord const old = start(record(3, "web"));
    living_.erase(3);
    start(record(4, "web"));
    registry_.remove(old);
    EXPECT_EQ(registry_.find_name("web"), 4u);
}

TEST_F(RegistryTest, NamesDoNotCollideWithTemporaryFiles)
{
    start(record(3, "a"));
    start(record(4, "a.new"));
    EXPECT_EQ(registry_.find_name("a"), 3u);
    EXPECT_EQ(registry_.find_name("a.new"), 4u);
}

TEST_F(RegistryTest, LocksExcludeAndAreFreeAfterwards)
{
    {
        auto const lock = registry_.lock_guest(3);
        EXPECT_FALSE(registry_.try_lock_guest(3));
        EXPECT_TRUE(registry_.try_lock_guest(4));
    }
    EXPECT_TRUE(registry_.try_lock_guest(3));
}

TEST_F(RegistryTest, ReportsADamagedRecord)
{
    start(record(3, "web"));
    replace_file(root_ + "/r/guests/3.json", "{ \"domain\": 3 ");
    expect_error(ExitCode::Failed, "3.json: a guest's record is damaged", "", [&] { registry_.read(3); });
}

TEST_F(RegistryTest, RecordsSurviveTheirFileForm)
{
    GuestRecord record = this->record(7, "web", "/d1");
    record.phase = GuestRecord::Phase::Preserved;
    record.created_at = 1234567890;
    record.quick_restarts = 2;
    record.claims = {"/x/y"};
    AttachedDisk disk;
    disk.disk = record.config.disks[0];
    disk.node = "/dev/loop3";
    disk.major = 7;
    disk.minor = 3;
    disk.loop = true;
    disk.file_device = 2049;
    disk.file_inode = 1ull << 40;
    record.disks.push_back(disk);
    GuestRecord const back = record_from_json(record_to_json(record));
    EXPECT_EQ(back.domain, 7u);
    EXPECT_EQ(back.phase, GuestRecord::Phase::Preserved);
    EXPECT_EQ(back.created_at, 1234567890);
    EXPECT_EQ(back.quick_restarts, 2u);
    EXPECT_EQ(back.claims, record.claims);
    EXPECT_EQ(back.disks, record.disks);
    EXPECT_EQ(back.config, record.config);
}

// Who was killed between making a domain and writing its record left a domain that nobody knew of.
TEST_F(RegistryTest, KnowsWhatWasAnnouncedAndGivenUp)
{
    Uuid const uuid = random_uuid();
    {
        auto const lock = registry_.announce(uuid);
        auto const other = registry_.lock_guest(3);
        EXPECT_EQ(registry_.announced(), std::vector<Uuid>{uuid});
        EXPECT_FALSE(registry_.try_lock_announced(uuid));
    }
    EXPECT_TRUE(registry_.try_lock_announced(uuid));
    registry_.unannounce(uuid);
    EXPECT_TRUE(registry_.announced().empty());
}

// A supervisor that was ended between destroying a guest and creating it anew lost it for ever.
TEST_F(RegistryTest, RemembersWhatIsToBeStartedAgain)
{
    EXPECT_TRUE(registry_.restarts().empty());
    GuestRecord web = record(3, "web");
    web.quick_restarts = 2;
    registry_.write_restart(web);
    EXPECT_EQ(Registry(root_ + "/r").restarts(), std::vector<std::string>{"web"});
    EXPECT_EQ(registry_.read_restart("web")->quick_restarts, 2u);
    EXPECT_EQ(registry_.read_restart("web")->config, web.config);
    EXPECT_TRUE(registry_.forget_restart("web"));
    EXPECT_FALSE(registry_.forget_restart("web"));
    EXPECT_FALSE(registry_.read_restart("web"));
}

TEST_F(RegistryTest, ForgettingARestartTouchesNothingElse)
{
    start(record(3, "web"));
    registry_.write_restart(record(4, "db"));
    EXPECT_FALSE(registry_.forget_restart("../guests/3"));
    EXPECT_TRUE(registry_.read(3));
}

TEST_F(RegistryTest, KnowsWhetherANameIsTaken)
{
    EXPECT_FALSE(registry_.name_is_taken("web", alive()));
    start(record(3, "web"));
    EXPECT_TRUE(registry_.name_is_taken("web", alive()));
    living_.erase(3);
    EXPECT_FALSE(registry_.name_is_taken("web", alive()));
}

// Records of the vmctl before this one lack what came later; they are read all the same.
TEST_F(RegistryTest, ReadsOlderRecords)
{
    GuestRecord record = this->record(7, "web", "/d1");
    record.disks.push_back(AttachedDisk{record.config.disks[0], "/dev/loop3", 7, 3, true, 1, 2});
    std::string text = record_to_json(record);
    std::size_t const from = text.find(",\"file_device\"");
    ASSERT_NE(from, text.npos);
    text.erase(from, text.find('}', from) - from);
    EXPECT_EQ(record_from_json(text).disks.at(0).file_inode, 0u);
}

// The path was compared: a file that was renamed kept its loop device for ever, and /x.img2 was taken for /x.img.
TEST_F(RegistryTest, KnowsADisksFileByItsIdentity)
{
    AttachedDisk const disk{{}, "/dev/loop3", 7, 3, true, 2049, 12};
    loop_info64 bound = {};
    bound.lo_device = 2049;
    bound.lo_inode = 12;
    EXPECT_TRUE(is_file_of(disk, bound));
    bound.lo_inode = 13;
    EXPECT_FALSE(is_file_of(disk, bound));
}

TEST_F(RegistryTest, EndedLogFindsTheNewestAndStaysSmall)
{
    make_directories(root_ + "/r");
    EndedLog const log(root_ + "/r");
    EXPECT_FALSE(log.find("web"));
    log.add("web", 3, "poweroff");
    log.add("web-2", 4, "reboot");
    log.add("web", 5, "crash");
    ASSERT_TRUE(log.find("web"));
    EXPECT_NE(log.find("web")->find("domain 5: crash"), std::string::npos);
    for (DomainId domain = 0; domain < 4000; ++domain)
    {
        log.add("other", domain, std::string(40, 'x'));
    }
    EXPECT_LT(std::filesystem::file_size(root_ + "/r/ended.log"), 128u * 1024 + 1);
    EXPECT_NE(log.find("other")->find("domain 3999"), std::string::npos);
}

} // namespace
} // namespace vm
