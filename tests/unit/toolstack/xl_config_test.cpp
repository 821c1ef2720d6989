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

// Documented keys that the tables lacked were "unknown", and a good file for xl was refused without a reason.
TEST(XlConfig, KnowsTheDocumentedKeys)
{
    for (char const* const key :
         {"hpet", "nx", "spice", "nographic", "opengl", "pci_permissive", "dm_restrict", "vmtrace_buf_kb"})
    {
        EXPECT_EQ(parse_xl_config(std::string(kMinimal) + key + " = 1\n", "f").warnings.size(), 1u) << key;
    }
    for (char const* const key : {"max_grant_version", "e820_host", "gic_version"})
    {
        expect_refused(std::string(key) + " = 1\n", "this key of xl.cfg is not supported", "remove it");
    }
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

// The scheduler's interface has 16 bits: 65636 became 100 there.
TEST(XlConfig, BoundsWhatTheHypervisorTakes)
{
    EXPECT_EQ(parse(std::string(kMinimal) + "cap = 65535\n").cap, 65535u);
    expect_refused("cap = 65636\n", "must be between 0 and 65535");
    EXPECT_EQ(parse(std::string(kMinimal) + "vcpus = 128\n").vcpus, 128u);
    expect_refused("vcpus = 129\n", "must be between 1 and 128");
    expect_refused("maxvcpus = 129\n", "must be between 1 and 128");
}

// A number in quotation marks that was too large counted as 0, for "cap" as no limit at all.
TEST(XlConfig, RefusesQuotedNumbersThatAreTooLarge)
{
    expect_refused("cap = '99999999999999999999'\n", "cap: must be a whole number");
}

// xl.cfg(5): "0-3,5,^1", a list of sets for the vCPUs, and blanks as people write them.
TEST(XlConfig, ReadsEveryFormOfCpus)
{
    using Cpus = std::vector<std::uint32_t>;
    auto const cpus = [](std::string const& text) { return parse(std::string(kMinimal) + "cpus = " + text).cpus; };
    EXPECT_EQ(cpus("'0-3,5,^1'\n"), (Cpus{0, 2, 3, 5}));
    EXPECT_EQ(cpus("'0, 1'\n"), (Cpus{0, 1}));
    EXPECT_EQ(cpus("2\n"), Cpus{2});
    EXPECT_EQ(cpus("'all'\n"), Cpus{});
    GuestConfig const guest = parse(std::string(kMinimal) + "vcpus = 3\ncpus = ['2', '3-8,^5', 'all']\n");
    EXPECT_EQ(guest.cpus_by_vcpu, (std::vector<Cpus>{{2}, {3, 4, 6, 7, 8}, {}}));
    EXPECT_EQ(config_from_json(config_to_json(guest)), guest);
    expect_refused("cpus = 'nodes:0'\n", "is not a list of CPUs", "name the CPUs");
    expect_refused("cpus = '1,^1'\n", "leaves no CPU");
    expect_refused("cpus = ['0', '1']\n", "sets for 2 vCPUs, the guest has 1");
    expect_refused("cpus = '4096'\n", "is not a list of CPUs");
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

// The record of a guest could not be written, after its domain was there.
TEST(LoadConfig, RefusesTextThatIsNotUtf8)
{
    std::string const path = testing::TempDir() + "vmctl-load-test.cfg";
    auto const load = [&](std::string const& line) {
        std::ofstream(path) << kMinimal << line << "\n";
        return load_config(path).guest;
    };
    EXPECT_EQ(load("extra = 'stra\xc3\x9f"
                   "e \xe2\x82\xac \xf0\x9f\x90\xa7'")
                  .command_line.size(),
              16u);
    for (char const* const bad : {"\xff", "\xc3", "\xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"})
    {
        expect_error(ExitCode::Usage, path + ":4: there is a byte that is not UTF-8", "UTF-8",
                     [&] { load(std::string("extra = '") + bad + "'"); });
    }
    std::remove(path.c_str());
}

// `vmctl create --name=web FILE` complained of the name that FILE lacks.
TEST(LoadConfig, TakesANameFromOutside)
{
    std::string const path = testing::TempDir() + "vmctl-load-test.cfg";
    std::ofstream(path) << "kernel = '/k'\nmemory = 64\n";
    EXPECT_EQ(load_config(path, "web").guest.name, "web");
    expect_error(ExitCode::Usage, "gives no name", "", [&] { load_config(path); });
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
