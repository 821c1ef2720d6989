// SPDX-License-Identifier: MIT
// Disk and network specifications in the forms that xl's documentation describes.
#include "config/device_spec.hpp"
#include "config/load.hpp"
#include "expect_error.hpp"

namespace vm
{
namespace
{

using test::expect_error;

void expect_disk(std::string const& text, std::string const& target, std::string const& device, bool writable)
{
    DiskConfig const disk = parse_disk(text, "f:1: disk");
    EXPECT_EQ(disk.target, target) << text;
    EXPECT_EQ(disk.device, device) << text;
    EXPECT_EQ(disk.writable, writable) << text;
}

void expect_bad_disk(std::string const& text, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse_disk(text, "f:1: disk"); });
}

void expect_bad_nic(std::string const& text, std::string const& cause, std::string const& hint = {})
{
    expect_error(ExitCode::Usage, cause, hint, [&] { parse_nic(text, "f:1: vif"); });
}

TEST(DeviceNumber, FollowsTheNamingOfParavirtualDisks)
{
    EXPECT_EQ(virtual_device_number("xvda"), 51712u);
    EXPECT_EQ(virtual_device_number("xvda1"), 51713u);
    EXPECT_EQ(virtual_device_number("xvdb"), 51728u);
    EXPECT_EQ(virtual_device_number("xvdp15"), 202u << 8 | 0xff);
    EXPECT_EQ(virtual_device_number("xvdq"), 1u << 28 | 16u << 8);
    EXPECT_EQ(virtual_device_number("xvdaa"), 1u << 28 | 26u << 8);
    EXPECT_EQ(virtual_device_number("xvda16"), 1u << 28 | 16u);
    EXPECT_EQ(virtual_device_number("d1p2"), 51730u);
    EXPECT_EQ(virtual_device_number("d0"), 51712u);
    EXPECT_EQ(virtual_device_number("sda1"), 2049u);
    EXPECT_EQ(virtual_device_number("hda"), 768u);
    EXPECT_EQ(virtual_device_number("hdc1"), 22u << 8 | 1);
    EXPECT_EQ(virtual_device_number("51712"), 51712u);
}

TEST(DeviceNumber, RefusesOtherNames)
{
    for (char const* const bad : {"", "xvd", "xvd1", "xvdA", "xvda0", "xvda01", "vda", "xvda-1", "xvdzzzzz", "sdz",
                                  "hde", "d", "dp1", "d1p", "disk", "nvme0"})
    {
        EXPECT_FALSE(virtual_device_number(bad)) << bad;
    }
}

TEST(DiskSpec, AcceptsEveryForm)
{
    expect_disk("file:/a/b.img,xvda,w", "/a/b.img", "xvda", true);
    expect_disk("phy:/dev/vg/x,xvdb,r", "/dev/vg/x", "xvdb", false);
    expect_disk("/a.img,raw,xvda,rw", "/a.img", "xvda", true);
    expect_disk("/a.img,,xvda", "/a.img", "xvda", true);
    expect_disk("/a.img, raw, xvda, ro", "/a.img", "xvda", false);
    expect_disk("format=raw, vdev=xvda, access=ro, target=/a,b c.img", "/a,b c.img", "xvda", false);
    expect_disk("vdev=xvda,target=/a.img", "/a.img", "xvda", true);
    expect_disk("/a.img,raw,xvda,rw,backendtype=phy,no-discard", "/a.img", "xvda", true);
    expect_disk("file:/a.iso,xvdc:cdrom,r", "/a.iso", "xvdc", false);
    EXPECT_FALSE(parse_disk("/a,raw,xvda,rw,no-discard", "").discard);
}

// xl-disk-configuration(5): /dev/ is put before a device's target that does not start with '/'.
TEST(DiskSpec, FindsDevicesInDev)
{
    expect_disk("phy:vg/lv,xvda,w", "/dev/vg/lv", "xvda", true);
    expect_bad_disk("file:vg/lv,xvda,w", "not an absolute path");
}

TEST(DiskSpec, PassesOverTrust)
{
    expect_disk("/a.img,raw,xvda,rw,untrusted", "/a.img", "xvda", true);
    expect_disk("/a.img,raw,xvda,rw,trusted", "/a.img", "xvda", true);
}

TEST(DiskSpec, RefusesWhatItCannotHonour)
{
    expect_bad_disk("qcow2:/a,xvda,w", "prefix 'qcow2:'", "raw");
    expect_bad_disk("tap:qcow2:/a,xvda,w", "prefix 'qcow2:'", "raw");
    expect_bad_disk("/a,qcow2,xvda,w", "the format 'qcow2' is not supported", "raw");
    expect_bad_disk("/a,raw,vda,w", "'vda' is not a device name", "xvda");
    expect_bad_disk("/a,raw,xvda,x", "unknown access 'x'");
    expect_bad_disk("/a,raw,xvda,rw,more", "unexpected field 'more'");
    expect_bad_disk("vdev=xvda", "no target");
    expect_bad_disk("/a,raw", "no device name");
    expect_bad_disk("a.img,raw,xvda,w", "not an absolute path");
    expect_bad_disk("acces=rw,vdev=xvda,target=/a", "unknown key 'acces'", "'access'");
    expect_bad_disk("script=block-drbd,vdev=xvda,target=/a", "scripts are not run");
    expect_bad_disk("backend=storage,vdev=xvda,target=/a", "only the control domain");
    expect_bad_disk("", "no target");
    expect_bad_disk("/a,raw,xvda:floppy,w", "unknown device type 'floppy'");
}

TEST(NicSpec, ReadsEveryKey)
{
    NicConfig const nic = parse_nic(
        "mac=00:16:3E:AA:bb:0c, bridge=br0,vifname=web0,ip=10.0.0.2,mtu=9000,rate=10Mb/s,script=vif-bridge", "");
    EXPECT_EQ(nic.mac, "00:16:3e:aa:bb:0c");
    EXPECT_EQ(nic.bridge, "br0");
    EXPECT_EQ(nic.interface_name, "web0");
    EXPECT_EQ(nic.address, "10.0.0.2");
    EXPECT_EQ(nic.mtu, 9000u);
    EXPECT_EQ(nic.rate_bytes, 62500u); // 10 Mb/s in 50 ms
    EXPECT_EQ(nic.rate_interval_us, 50000u);
    EXPECT_EQ(parse_nic("", "").bridge, "xenbr0");
}

// The default script of xl.conf(5) is given by its path.
TEST(NicSpec, KnowsTheBridgeScriptByItsPath)
{
    EXPECT_EQ(parse_nic("script=/etc/xen/scripts/vif-bridge,bridge=br0", "").bridge, "br0");
    expect_bad_nic("script=/etc/xen/scripts/vif-route", "scripts are not run", "name a bridge");
}

TEST(NicSpec, ReadsTheNewerKeys)
{
    EXPECT_EQ(parse_nic("devid=3,trusted=1", "").number, 3u);
    EXPECT_FALSE(parse_nic("untrusted", "").number);
    expect_bad_nic("devid=x", "'x' is not a device number");
    expect_bad_nic("devid=256", "'256' is not a device number");
    expect_bad_nic("gatewaydev=eth0", "scripts are not run", "name a bridge");
}

TEST(NicSpec, NumbersWhatHasNoNumber)
{
    ParsedConfig parsed =
        parse_xl_config("name='g'\nkernel='/k'\nmemory=64\nvif=['', 'devid=0', '', 'devid=2']\n", "f");
    complete_and_check(parsed.guest);
    std::vector<std::uint32_t> numbers;
    for (NicConfig const& nic : parsed.guest.nics)
    {
        numbers.push_back(nic.number.value());
    }
    EXPECT_EQ(numbers, (std::vector<std::uint32_t>{1, 0, 3, 2}));
    parsed.guest.nics[0].number = 2;
    expect_error(ExitCode::Usage, "two network interfaces have the devid 2", "",
                 [&] { complete_and_check(parsed.guest); });
}

TEST(NicSpec, RefusesWrongValues)
{
    expect_bad_nic("mac=00:16:3e:00:00", "not a usable address", "00:16:3e");
    expect_bad_nic("mac=01:16:3e:00:00:01", "not a usable address");
    expect_bad_nic("mac=00:00:00:00:00:00", "not a usable address");
    expect_bad_nic("bridge=a/b", "not an interface name");
    expect_bad_nic("bridge=sixteencharacter", "not an interface name");
    expect_bad_nic("mtu=1", "not an MTU");
    expect_bad_nic("rate=fast", "not a rate", "10Mb/s");
    expect_bad_nic("brdige=x", "unknown key 'brdige'", "'bridge'");
    expect_bad_nic("script=vif-route", "scripts are not run");
    expect_bad_nic("backend=net", "only the control domain");
    expect_bad_nic("bridge", "not of the form key=value");
}

TEST(NicSpec, ReadsRates)
{
    NicConfig nic;
    EXPECT_TRUE(parse_rate("1MB/s@20ms", nic));
    EXPECT_EQ(nic.rate_bytes, 20000u);
    EXPECT_EQ(nic.rate_interval_us, 20000u);
    EXPECT_TRUE(parse_rate("250KB/s", nic));
    EXPECT_EQ(nic.rate_bytes, 12500u);
    EXPECT_TRUE(parse_rate("10Mb/s@20000", nic)) << "microseconds, as xl-network-configuration(5) says";
    EXPECT_EQ(nic.rate_interval_us, 20000u);
    EXPECT_EQ(nic.rate_bytes, 25000u);
    EXPECT_TRUE(parse_rate("8Gb/s@1us", nic));
    EXPECT_EQ(nic.rate_bytes, 1000u);
    for (char const* const bad : {"", "0Mb/s", "1b/s@1us", "10Mb", "10Mb/s@", "10Mb/s@0ms", "10Mb/s@1h", "-1Mb/s",
                                  "99999999999999999999Gb/s", "9999999999GB/s"})
    {
        EXPECT_FALSE(parse_rate(bad, nic)) << bad;
    }
}

} // namespace
} // namespace vm
