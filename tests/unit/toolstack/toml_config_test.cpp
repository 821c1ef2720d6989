// SPDX-License-Identifier: MIT
// The TOML form of a guest.
#include "config/load.hpp"
#include "expect_error.hpp"

namespace vm
{
namespace
{

using test::expect_error;

constexpr char kMinimal[] = "name = \"g\"\nkernel = \"/k\"\nmemory = 64\n";

void expect_refused(std::string const& lines, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse_toml_config(kMinimal + lines, "f"); });
}

TEST(TomlConfig, ReadsAWholeGuest)
{
    GuestConfig const guest = parse_toml_config(R"(
name = "web"
kernel = "/boot/vmlinuz"
cmdline = "console=hvc0"
memory = "1GiB"
maxmem = 2048
vcpus = 2
weight = 100
cpus = [0, 1]
on_crash = "restart"
[[disk]]
target = "/d"
device = "xvda"
readonly = true
[[network]]
bridge = "br0"
mac = "00:16:3e:00:00:01"
rate = "1MB/s"
)",
                                                "f")
                                  .guest;
    EXPECT_EQ(guest.memory_mib, 1024u);
    EXPECT_EQ(guest.max_memory_mib, 2048u);
    EXPECT_EQ(guest.max_vcpus, 2u);
    EXPECT_EQ(guest.weight, 100u);
    EXPECT_EQ(guest.cpus.size(), 2u);
    EXPECT_EQ(guest.on_crash, EndAction::Restart);
    ASSERT_EQ(guest.disks.size(), 1u);
    EXPECT_FALSE(guest.disks[0].writable);
    EXPECT_EQ(guest.disks[0].number, 51712u);
    ASSERT_EQ(guest.nics.size(), 1u);
    EXPECT_EQ(guest.nics[0].rate_bytes, 50000u);
}

TEST(TomlConfig, SaysTheSameAsXlConfig)
{
    GuestConfig const toml = parse_toml_config(std::string(kMinimal) + "cmdline = \"x\"\n[[disk]]\ntarget = \"/d\"\n"
                                                                       "device = \"xvdb\"\n[[network]]\n",
                                               "f")
                                 .guest;
    GuestConfig const xl = parse_xl_config("name='g'\nkernel='/k'\nmemory=64\nextra='x'\ndisk=['/d,raw,xvdb,rw']\n"
                                           "vif=['']\n",
                                           "f")
                               .guest;
    EXPECT_EQ(toml, xl);
}

TEST(TomlConfig, RefusesWithLineAndHint)
{
    expect_refused("memroy = 3\n", "f:4: memroy: unknown key", "did you mean 'memory'?");
    expect_refused("[[disk]]\ntarget = \"/d\"\ndevice = \"vda\"\n", "f:6: disk.device");
    expect_refused("[[disk]]\ntarget = \"d\"\ndevice = \"xvda\"\n", "absolute path");
    expect_refused("[[disk]]\npath = \"/d\"\n", "disk.path: unknown key");
    expect_refused("disk = 3\n", "must be a list of tables", "[[disk]]");
    expect_refused("cap = 65636\n", "cap: must be a whole number between 0 and 65535");
    expect_refused("vcpus = 129\n", "vcpus: must be a whole number between 1 and 128");
    expect_refused("vcpus = \"two\"\n", "vcpus: must be a whole number");
    expect_refused("cpus = [\"a\"]\n", "must be a list of CPU numbers");
    expect_refused("cpus = 3\n", "must be a list of CPU numbers");
    expect_refused("uuid = \"x\"\n", "not a UUID");
    expect_refused("on_crash = \"explode\"\n", "unknown action 'explode'");
    expect_refused("[[network]]\nmac = \"zz\"\n", "not a usable address");
    expect_refused("[[network]]\nbridge = \"a/b\"\n", "network.bridge: 'a/b' is not an interface name");
    expect_refused("[[network]]\ninterface = \"sixteencharacter\"\n", "is not an interface name", "15 characters");
    expect_refused("[[network]]\nrate = \"fast\"\n", "not a rate");
    expect_refused("broken", "f:4");
    for (char const* const size : {"0", "-1", "\"12\"", "\"1TiB\"", "\"GiB\"", "1.5"})
    {
        expect_error(ExitCode::Usage, "must be an amount of memory", "MiB",
                     [&] { parse_toml_config(std::string("memory = ") + size, "f"); });
    }
}

} // namespace
} // namespace vm
