// SPDX-License-Identifier: MIT
// What the keys of xl.cfg mean, and that a key that is not understood is never passed over.
#include "config/load.hpp"
#include "expect_error.hpp"

#include <cstdio>
#include <fstream>

namespace vm
{
namespace
{

using test::expect_error;

constexpr char kMinimal[] = "name = 'g'\nkernel = '/k'\nmemory = 64\n";

GuestConfig parse(std::string const& text)
{
    ParsedConfig parsed = parse_xl_config(text, "f");
    complete_and_check(parsed.guest);
    return parsed.guest;
}

void expect_refused(std::string const& lines, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse(kMinimal + lines); });
}

TEST(XlConfig, ReadsAWholeGuest)
{
    GuestConfig const guest = parse(R"(
name = "web"
type = "pv"
uuid = "01234567-89ab-cdef-0123-456789ABCDEF"
kernel = "/boot/vmlinuz"
ramdisk = "/boot/initrd"
root = "/dev/xvda ro"
extra = "console=hvc0"
memory = 256
maxmem = "512"
vcpus = 2
maxvcpus = 4
cpus = "0-2,5"
cpu_weight = 512
cap = 50
on_crash = "coredump-restart"
on_reboot = 'destroy'
disk = [ 'file:/d,xvda,w', 'phy:/dev/sda,xvdb,r' ]
vif = [ 'mac=00:16:3E:01:02:03,bridge=br1', '' ]
)");
    EXPECT_EQ(guest.name, "web");
    EXPECT_EQ(to_string(*guest.uuid), "01234567-89ab-cdef-0123-456789abcdef");
    EXPECT_EQ(guest.command_line, "root=/dev/xvda ro console=hvc0");
    EXPECT_EQ(guest.memory_mib, 256u);
    EXPECT_EQ(guest.max_memory_mib, 512u);
    EXPECT_EQ(guest.vcpus, 2u);
    EXPECT_EQ(guest.max_vcpus, 4u);
    EXPECT_EQ(guest.cpus, (std::vector<std::uint32_t>{0, 1, 2, 5}));
    EXPECT_EQ(guest.weight, 512u);
    EXPECT_EQ(guest.cap, 50u);
    EXPECT_EQ(guest.on_crash, EndAction::CoredumpRestart);
    EXPECT_EQ(guest.on_reboot, EndAction::Destroy);
    ASSERT_EQ(guest.disks.size(), 2u);
    EXPECT_FALSE(guest.disks[1].writable);
    ASSERT_EQ(guest.nics.size(), 2u);
    EXPECT_EQ(guest.nics[0].mac, "00:16:3e:01:02:03");
    EXPECT_EQ(guest.nics[1].bridge, "xenbr0");
}

TEST(XlConfig, FillsInWhatFollowsFromOtherKeys)
{
    GuestConfig const guest = parse(std::string(kMinimal) + "vcpus = 3\n");
    EXPECT_EQ(guest.max_memory_mib, 64u);
    EXPECT_EQ(guest.max_vcpus, 3u);
    EXPECT_EQ(guest.on_reboot, EndAction::Restart);
    EXPECT_EQ(guest.on_crash, EndAction::Destroy);
}

TEST(XlConfig, LastAssignmentCountsAndAppendingJoins)
{
    GuestConfig const guest = parse(std::string(kMinimal) + "memory = 32\nextra = 'a'\nextra += ' b'\n"
                                                            "disk = ['/d,raw,xvda,rw']\ndisk += ['/e,raw,xvdb,rw']\n");
    EXPECT_EQ(guest.memory_mib, 32u);
    EXPECT_EQ(guest.command_line, "a b");
    EXPECT_EQ(guest.disks.size(), 2u);
    expect_refused("vcpus = 1\nvcpus += 2\n", "joins two lists or two strings only");
}

TEST(XlConfig, CmdlineReplacesRootAndExtraWithAWarning)
{
    ParsedConfig const parsed = parse_xl_config(std::string(kMinimal) + "cmdline = 'quiet'\nroot = '/dev/xvda'\n", "f");
    EXPECT_EQ(parsed.guest.command_line, "quiet");
    ASSERT_EQ(parsed.warnings.size(), 1u);
}

TEST(XlConfig, WarnsOfKeysWithoutEffect)
{
    ParsedConfig const parsed = parse_xl_config(std::string(kMinimal) + "vnc = 1\nlocaltime = 0\n", "f");
    ASSERT_EQ(parsed.warnings.size(), 2u);
    EXPECT_EQ(parsed.warnings[0], "f:5: localtime: has no effect on this host");
}

TEST(XlConfig, RefusesUnknownKeysWithAHint)
{
    expect_refused("memroy = 3\n", "f:4: memroy: unknown key", "did you mean 'memory'?");
    expect_refused("colour = 'green'\n", "colour: unknown key", "vmctl(8)");
    expect_refused("bootloader = 'pygrub'\n", "not supported", "kernel=");
    expect_refused("pci = ['01:00.0']\n", "not supported", "remove it");
}

TEST(XlConfig, RefusesImpossibleValues)
{
    expect_refused("memory = 0\n", "must be between 1");
    expect_refused("memory = -5\n", "must be between 1");
    expect_refused("memory = 99999999\n", "cannot have 99999999 MiB");
    expect_refused("memory = 'much'\n", "must be a whole number");
    expect_refused("maxmem = 32\n", "maxmem (32 MiB) is smaller than memory (64 MiB)");
    expect_refused("vcpus = 0\n", "must be between 1");
    expect_refused("vcpus = 9000\n", "must be between 1");
    expect_refused("cpus = '0-'\n", "is not a list of CPUs");
    expect_refused("cpus = '3,'\n", "is not a list of CPUs");
    expect_refused("cpus = '5-2'\n", "is not a list of CPUs");
    expect_refused("on_crash = 'restat'\n", "unknown action 'restat'", "'restart'");
    expect_refused("uuid = '0123'\n", "not a UUID");
    expect_refused("type = 'hvm'\n", "'hvm' guests are not supported");
    expect_refused("name = 3\n", "name: must be a string");
    expect_refused("disk = 7\n", "must be a list of strings");
    expect_refused("extra = '" + std::string(1100, 'x') + "'\n", "1100 characters");
}

TEST(XlConfig, ChecksNames)
{
    for (std::string const bad : {"", "42", "a/b", ".a", "a b", "a\\tb"})
    {
        EXPECT_THROW(parse(std::string(kMinimal) + "name = '" + bad + "'\n"), Error) << bad;
    }
    EXPECT_THROW(parse(std::string(kMinimal) + "name = '" + std::string(200, 'x') + "'\n"), Error);
    EXPECT_EQ(parse(std::string(kMinimal) + "name = 'web-1.a_b'\n").name, "web-1.a_b");
}

TEST(XlConfig, RequiresNameKernelAndMemory)
{
    expect_error(ExitCode::Usage, "no name", "name =", [] { parse("kernel = '/k'\nmemory = 1\n"); });
    expect_error(ExitCode::Usage, "no kernel", "kernel =", [] { parse("name = 'a'\nmemory = 1\n"); });
    expect_error(ExitCode::Usage, "memory must be", "memory =", [] { parse("name = 'a'\nkernel = '/k'\n"); });
}

TEST(XlConfig, RefusesDevicesNamedTwice)
{
    expect_refused("disk = ['/a,raw,xvda,w', '/b,raw,xvda,w']\n", "two disks are named 'xvda'");
    expect_refused("vif = ['mac=00:16:3e:00:00:01', 'mac=00:16:3e:00:00:01']\n", "two network interfaces");
}

TEST(LoadConfig, TellsAMissingFileFromADamagedOne)
{
    expect_error(ExitCode::Usage, "/nonexistent/x.cfg", "", [] { load_config("/nonexistent/x.cfg"); });
    expect_error(ExitCode::Usage, "not a file", "", [] { load_config("/tmp"); });
    std::string const path = testing::TempDir() + "vmctl-load-test.cfg";
    std::ofstream(path) << "name = 'x'\nkernel = '/k'\n";
    expect_error(ExitCode::Usage, path + ": memory must be", "", [&] { load_config(path); });
    std::remove(path.c_str());
}

TEST(JsonConfig, RoundTripKeepsEverything)
{
    GuestConfig guest =
        parse(std::string(kMinimal) +
              "uuid = '01234567-89ab-cdef-0123-456789abcdef'\ncpu_weight = 3\ncap = 7\ncpus = '1,3'\n"
              "on_watchdog = 'preserve'\nramdisk = '/r'\nextra = '\"quoted\" \\\\ back'\n"
              "disk = ['/d x,raw,xvda,ro']\nvif = ['rate=1MB/s@20ms,mtu=1400,ip=10.0.0.1,vifname=v0']\n");
    EXPECT_EQ(config_from_json(config_to_json(guest)), guest);
    guest.weight.reset();
    guest.nics.clear();
    EXPECT_EQ(config_from_json(config_to_json(guest)), guest);
}

TEST(JsonConfig, RefusesDamage)
{
    expect_error(ExitCode::Failed, "damaged", "", [] { config_from_json("{"); });
    expect_error(ExitCode::Failed, "damaged", "", [] { config_from_json("{}"); });
    expect_error(ExitCode::Failed, "damaged", "", [] { config_from_json("[1]"); });
}

} // namespace
} // namespace vm
