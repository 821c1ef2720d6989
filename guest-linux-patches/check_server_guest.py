#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots an ordinary Debian root file system under the server kernel as a guest: systemd up to a login, modules, and what containers need."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from lab.debian_root import HOSTNAME, PROJECT, write_disk

sys.path.insert(0, str(PROJECT / "tests" / "system"))

from harness.cases import Context, Failure, expect_step  # noqa: E402
from harness.control import ScriptResult  # noqa: E402
from harness.qemu import MachineError, until_qemu_survives  # noqa: E402

# What the fragment asks for as modules, as far as it can be loaded on any machine.
MODULES = ("overlay veth bridge br_netfilter 8021q bonding dummy macvlan ipvlan vxlan wireguard tun nf_conntrack nf_tables nft_ct nft_limit nft_log nft_masq "
           "nft_nat nft_redir nft_reject nft_compat nft_fib_inet xt_addrtype xt_comment xt_conntrack xt_multiport xt_mark xt_MASQUERADE ip_tables iptable_filter "
           "iptable_nat ip6table_filter ip6table_nat sch_fq sch_fq_codel tcp_bbr unix_diag inet_diag loop nbd dm_crypt dm_snapshot dm_thin_pool dm_verity raid1 "
           "zram xfs btrfs fuse squashfs erofs isofs udf vfat nfs nfsv4 nfsd cifs 9p 9pnet_xen binfmt_misc configs xen_gntdev xen_gntalloc algif_hash")

SCRIPT = """
TOOL={tool} KERNEL=server
. /usr/lib/tessera/guests.sh
modprobe -a virtio_pci virtio_blk
wait_for 100 test -b /dev/vda || exit 1
cat >/root/server.cfg <<END
name = "server"
kernel = "/root/vmlinuz-server"
extra = "console=hvc0 root=/dev/xvda rw"
memory = 512
vcpus = {vcpus}
disk = ["phy:/dev/vda,xvda,w"]
vif = ["bridge=xenbr0,mac=00:16:3e:00:00:0b"]
END
run() {{ guest_run server "$@"; }}
step create guest_create server || exit 1
guest_watch server || exit 1
step login guest_login server 400 || exit 1
guest_type server 'stty -echo cols 400; systemctl stop systemd-journald-audit.socket; dmesg -n 1; export PAGER= SYSTEMD_PAGER= SYSTEMD_COLORS=0 TERM=dumb'
step depmod run 120 'depmod && modinfo -n overlay'
step system run 240 'systemctl is-system-running --wait; systemctl --failed --no-legend'
step cpus run 30 'nproc; uname -r'
step root run 30 'findmnt -no SOURCE,FSTYPE /; cat /sys/fs/cgroup/cgroup.controllers'
step modules run 240 'for name in {modules}; do modprobe $name || echo "NOT $name"; done; lsmod | wc -l'
step network run 60 'ip address add 10.77.0.11/24 dev $(basename /sys/class/net/e*) && ip link set $(basename /sys/class/net/e*) up && ping -c 3 10.77.0.1'
step nat run 60 'nft add table ip t && nft "add chain ip t post {{ type nat hook postrouting priority 100 ; }}" && nft add rule ip t post masquerade && nft list table ip t'
step overlay run 60 'mkdir -p /run/up /c && mount -t tmpfs tmpfs /run/up && mkdir /run/up/u /run/up/w && mount -t overlay overlay -o lowerdir=/,upperdir=/run/up/u,workdir=/run/up/w /c && echo mounted'
step container run 180 'systemd-nspawn --quiet --link-journal=no --directory=/c --network-veth --hostname=inside sh -c "hostname; echo pid $\\$; ls /sys/class/net; echo written >/new" </dev/null; cat /run/up/u/new'
step user-container run 180 'unshare --user --map-root-user --mount --pid --net --fork --mount-proc sh -c "id -u; ps ax | wc -l; mount -t tmpfs tmpfs /mnt && echo inner"'
step memory-limit run 120 'systemd-run --quiet --wait --property=MemoryMax=32M --property=MemorySwapMax=0 sh -c "head -c 200000000 /dev/zero | tail -c 150000000 | wc -c"; echo ended $?; dmesg | grep -m 1 -o "Memory cgroup out of memory"'
step no-limit run 120 'systemd-run --quiet --wait sh -c "head -c 200000000 /dev/zero | tail -c 150000000 | wc -c; for n in 1 2 3 4 5 6 7 8; do sleep 0.1 & done; wait"; echo ended $?'
step task-limit run 120 'systemd-run --quiet --wait --property=TasksMax=5 sh -c "for n in 1 2 3 4 5 6 7 8; do sleep 2 & done; wait"; echo ended $?'
step xfs run 180 'truncate -s 400M /x && mkfs.xfs -q /x && mount -o loop /x /mnt && cp /etc/passwd /mnt && cmp /etc/passwd /mnt/passwd && umount /mnt && echo good; rm /x'
step btrfs run 180 'truncate -s 200M /x && mkfs.btrfs -q /x && mount -o loop /x /mnt && cp /etc/passwd /mnt && cmp /etc/passwd /mnt/passwd && umount /mnt && echo good; rm /x'
step security run 30 'cat /sys/module/apparmor/parameters/enabled /sys/kernel/security/lsm'
step messages run 30 'dmesg | grep -E "WARNING:|BUG:|Oops|multicall.s. failed|rcu.*stall" || echo none'
guest_type server 'systemctl poweroff'
step gone wait_for 1200 guest_gone server
"""

# Step, and what it has to say.
EXPECTED = (("depmod", r"/lib/modules/.*/overlay\.ko"), ("system", r"^running$"), ("root", r"^/dev/xvda +ext4"), ("network", "3 received"), ("nat", "masquerade"),
            ("overlay", "^mounted$"), ("container", "^inside$"), ("container", r"\bhost0\b"), ("container", "^written$"), ("user-container", "^inner$"),
            ("no-limit", "ended 0"), ("memory-limit", "ended [1-9]"), ("memory-limit", "^Memory cgroup out of memory$"),
            ("task-limit", "ended [1-9]"), ("xfs", "^good$"), ("btrfs", "^good$"), ("security", "apparmor"), ("messages", "^none$"))


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--tool", default="xl", choices=["xl", "vmctl"], help="what creates the guest (default: xl)")
    parser.add_argument("--kernel", type=Path, default=PROJECT / "build/guest/server", help="directory of the artefacts (default: build/guest/server)")
    parser.add_argument("--vcpus", type=int, default=2)
    parser.add_argument("--time-limit", type=int, default=1200, metavar="SECONDS")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> ScriptResult:
    """Boots with a fresh disk; again, and saying so, when the emulator itself crashed."""
    context = Context("server-guest", arguments.hypervisor)
    script = SCRIPT.format(tool=arguments.tool, vcpus=arguments.vcpus, modules=MODULES)
    with tempfile.TemporaryDirectory(prefix="tessera-") as scratch:
        disk = Path(scratch, "disk")
        write_disk(arguments.kernel / "modules.tar", disk)
        extra = ["-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on", "-device", "virtio-blk-pci,drive=disk"]
        return until_qemu_survives(
            lambda: context.run(script, files={"/root/vmlinuz-server": arguments.kernel / "vmlinuz"}, machine_type="pc", cpus=2, memory_mib=1536,
                                time_limit=arguments.time_limit, extra=extra),
            lambda what: print(f"server-guest: {what}; once more, its CPUs taking turns", file=sys.stderr))


def check(arguments: argparse.Namespace) -> str:
    """Boots and judges; returns a line about what was seen."""
    result = run(arguments)
    for name in ("create", "login", "gone"):
        expect_step(result, name)
    for name, pattern in EXPECTED:
        expect_step(result, name, pattern=pattern)
    modules = expect_step(result, "modules").output
    if missing := re.findall(r"^NOT (\S+)", modules, re.M):
        raise Failure(f"modules that cannot be loaded: {' '.join(missing)}")
    cpus = expect_step(result, "cpus", pattern=rf"^{arguments.vcpus}$").output.split()
    return f"{HOSTNAME}: Debian with systemd and containers under {cpus[-1]} on {arguments.vcpus} vCPUs, {len(MODULES.split())} modules loaded"


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    for name in ("vmlinuz", "modules.tar"):
        if not (arguments.kernel / name).is_file():
            print(f"server-guest: error: {arguments.kernel / name} does not exist\n  hint: make guest-kernel FLAVOUR=server", file=sys.stderr)
            return 3
    start = time.monotonic()
    try:
        said = check(arguments)
    except (Failure, MachineError, OSError) as error:
        print(f"server-guest: error: {error}", file=sys.stderr)
        return 1
    print(f"{said} ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
