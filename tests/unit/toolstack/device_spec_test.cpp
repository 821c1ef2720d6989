// SPDX-License-Identifier: MIT
// Disk and network specifications in the forms that xl's documentation describes.
#include "config/device_spec.hpp"
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

TEST(DiskSpec, RefusesWhatItCannotHonour)
{
    expect_bad_disk("qcow2:/a,xvda,w", "prefix 'qcow2:'", "raw");
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
