// SPDX-License-Identifier: MIT
// Many store requests in flight: all or nothing, conflicts, refusals, a daemon that goes away; and a guest's layout.
#include "expect_error.hpp"
#include "fake_store.hpp"
#include "store/layout.hpp"
#include "store/pipeline.hpp"

#include <algorithm>
#include <optional>
#include <sys/socket.h>
#include <xen/io/xs_wire.h>

namespace vm
{
namespace
{

using test::expect_error;
using test::FakeStore;

GuestConfig sample_guest()
{
    GuestConfig guest;
    guest.name = "g";
    guest.uuid = parse_uuid("01234567-89ab-cdef-0123-456789abcdef");
    guest.memory_mib = 64;
    guest.max_memory_mib = 128;
    guest.vcpus = 1;
    guest.max_vcpus = 2;
    guest.nics.emplace_back().mac = "00:16:3e:00:00:01";
    return guest;
}

TEST(Pipeline, CommitsEverythingInOrder)
{
    FakeStore store;
    {
        StorePipeline pipeline(store.take_client());
        StoreBatch batch;
        for (int index = 0; index < 100; ++index)
        {
            batch.write("/n/" + std::to_string(index), std::to_string(index));
        }
        batch.set_permissions("/n", {5, {0}});
        batch.remove("/not/there");
        pipeline.run_transaction(batch);
    }
    auto const& requests = store.requests();
    ASSERT_EQ(requests.size(), 104u);
    EXPECT_EQ(requests[0].type, static_cast<std::uint32_t>(XS_TRANSACTION_START));
    EXPECT_EQ(requests[1].payload, std::string("/n/0\0", 5) + "0");
    EXPECT_EQ(requests[1].transaction, 7u);
    EXPECT_EQ(requests[101].payload, std::string("/n\0n5\0r0\0", 9));
    EXPECT_EQ(store.nodes.size(), 100u);
    EXPECT_EQ(store.nodes["/n/99"], "99");
}

TEST(Pipeline, TriesAgainAfterAConflict)
{
    FakeStore store;
    store.conflicts = 3;
    {
        StorePipeline pipeline(store.take_client());
        StoreBatch batch;
        batch.write("/a", "1");
        pipeline.run_transaction(batch);
    }
    EXPECT_EQ(store.requests().size(), 12u);
    EXPECT_EQ(store.nodes["/a"], "1");
}

TEST(Pipeline, AbortsAsAWhole)
{
    FakeStore store;
    store.forbidden = "/b";
    {
        StorePipeline pipeline(store.take_client());
        StoreBatch batch;
        batch.write("/a", "1");
        batch.write("/b", "2");
        batch.write("/c", "3");
        expect_error(ExitCode::NoResources, "'/b'", "quota", [&] { pipeline.run_transaction(batch); });
    }
    EXPECT_EQ(store.requests().back().payload, std::string("F\0", 2));
    EXPECT_TRUE(store.nodes.empty());
}

TEST(Pipeline, ToleratesRemovingWhatIsNotThereOnly)
{
    FakeStore store;
    {
        StorePipeline pipeline(store.take_client());
        StoreBatch batch;
        batch.remove("/a");
        batch.introduce(3, 0x1234, 5);
        pipeline.run(batch);
    }
    EXPECT_EQ(store.requests()[1].payload, std::string("3\0004660\0005\0", 9));
}

TEST(Pipeline, ReportsADaemonThatHangsUpOrTalksNonsense)
{
    StoreBatch batch;
    batch.write("/a", "1");
    {
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        StorePipeline pipeline{UniqueFd(ends[0])};
        ::close(ends[1]);
        expect_error(ExitCode::Unreachable, "hung up", "", [&] { pipeline.run(batch); });
    }
    FakeStore store;
    store.confused = true;
    StorePipeline pipeline(store.take_client());
    expect_error(ExitCode::Unreachable, "does not fit", "", [&] { pipeline.run(batch); });
    expect_error(ExitCode::Unreachable, "/nonexistent/socket", "running", [] { StorePipeline("/nonexistent/socket"); });
}

TEST(Pipeline, RefusesValuesThatTheProtocolCannotCarry)
{
    StoreOperation operation;
    operation.path = "/a";
    operation.value = std::string(XENSTORE_PAYLOAD_MAX, 'x');
    expect_error(ExitCode::Usage, "too long", "", [&] { encode_store_request(operation, 1, 0); });
}

/// The value that a batch writes to a path.
std::optional<std::string> written(StoreBatch const& batch, std::string const& path)
{
    for (StoreOperation const& operation : batch.operations())
    {
        if (operation.kind == StoreOperation::Kind::Write && operation.path == path)
        {
            return operation.value;
        }
    }
    return std::nullopt;
}

StorePermissions permissions(StoreBatch const& batch, std::string const& path)
{
    StorePermissions found{99, {}};
    for (StoreOperation const& operation : batch.operations())
    {
        if (operation.kind == StoreOperation::Kind::Permissions && operation.path == path)
        {
            found = operation.permissions;
        }
    }
    return found;
}

TEST(Layout, DescribesTheDomain)
{
    StoreBatch batch;
    add_domain_nodes(batch, 5, sample_guest());
    EXPECT_EQ(written(batch, "/local/domain/5/name"), "g");
    EXPECT_EQ(written(batch, "/local/domain/5/vm"), "/vm/01234567-89ab-cdef-0123-456789abcdef");
    EXPECT_EQ(written(batch, "/local/domain/5/cpu/0/availability"), "online");
    EXPECT_EQ(written(batch, "/local/domain/5/cpu/1/availability"), "offline");
    EXPECT_EQ(written(batch, "/local/domain/5/memory/target"), "65536");
    EXPECT_EQ(written(batch, "/local/domain/5/memory/static-max"), "131072");
    EXPECT_EQ(written(batch, "/local/domain/5/console/type"), "xenconsoled");
    EXPECT_EQ(permissions(batch, "/local/domain/5"), (StorePermissions{0, {5}}));
    EXPECT_EQ(permissions(batch, "/local/domain/5/control/shutdown"), (StorePermissions{5, {}}));
    EXPECT_EQ(permissions(batch, "/local/domain/5/data"), (StorePermissions{5, {}}));
}

TEST(Layout, DescribesADiskToBothEnds)
{
    GuestConfig const guest = sample_guest();
    AttachedDisk disk;
    disk.disk = DiskConfig{"/d.img", "xvda", 51712, false, true};
    disk.node = "/dev/loop17";
    disk.major = 7;
    disk.minor = 17;
    disk.loop = true;
    StoreBatch batch;
    add_disk_nodes(batch, 5, guest, disk);
    std::string const back = "/local/domain/0/backend/vbd/5/51712";
    std::string const front = "/local/domain/5/device/vbd/51712";
    EXPECT_EQ(written(batch, back + "/physical-device"), "7:11"); // in hexadecimal
    EXPECT_EQ(written(batch, back + "/mode"), "r");
    EXPECT_EQ(written(batch, back + "/frontend"), front);
    EXPECT_EQ(written(batch, front + "/backend"), back);
    EXPECT_EQ(written(batch, front + "/virtual-device"), "51712");
    EXPECT_EQ(permissions(batch, back), (StorePermissions{0, {5}}));
    EXPECT_EQ(permissions(batch, front), (StorePermissions{5, {0}}));
    EXPECT_EQ(batch.operations().back().path, back + "/state");
}

TEST(Layout, DescribesANicToBothEnds)
{
    GuestConfig guest = sample_guest();
    guest.nics[0].rate_bytes = 100;
    guest.nics[0].interface_name = "web0";
    StoreBatch batch;
    add_nic_nodes(batch, 5, guest, guest.nics[0]);
    std::string const back = "/local/domain/0/backend/vif/5/0";
    EXPECT_EQ(written(batch, back + "/handle"), "0");
    EXPECT_EQ(written(batch, back + "/script"), "");
    EXPECT_EQ(written(batch, back + "/rate"), "100,50000");
    EXPECT_EQ(written(batch, "/local/domain/5/device/vif/0/mac"), "00:16:3e:00:00:01");
    EXPECT_EQ(interface_name(5, guest.nics[0]), "web0");
    NicConfig second;
    second.number = 1;
    EXPECT_EQ(interface_name(5, second), "vif5.1");
}

TEST(Layout, RemovalCoversEverythingThatWasAdded)
{
    GuestConfig const guest = sample_guest();
    StoreBatch added;
    AttachedDisk disk;
    disk.disk = DiskConfig{"/d.img", "xvda", 51712, true, true};
    add_domain_nodes(added, 5, guest);
    add_disk_nodes(added, 5, guest, disk);
    add_nic_nodes(added, 5, guest, guest.nics[0]);
    add_ring_nodes(added, 5, GuestRings{1, 2, 3, 4});
    StoreBatch removal;
    add_removal(removal, 5, *guest.uuid);
    for (StoreOperation const& operation : added.operations())
    {
        auto const covers = [&](StoreOperation const& removed) {
            return operation.path == removed.path || operation.path.starts_with(removed.path + "/");
        };
        auto const& removed = removal.operations();
        EXPECT_TRUE(operation.kind == StoreOperation::Kind::Introduce ||
                    std::any_of(removed.begin(), removed.end(), covers))
            << operation.path;
    }
}

} // namespace
} // namespace vm
