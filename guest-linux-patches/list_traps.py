#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lists where a kernel of the kit still traps: boots it as the initial domain, reads QEMU's log of exceptions, names the functions.

A trap is an exception that the kernel's own code raised and the hypervisor had to emulate: #GP (privileged instructions),
#UD (CPUID) and #PF on a present read-only page (page-table writes). Hypercalls are no exceptions and do not show.
"""

from __future__ import annotations

import argparse
import bisect
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lab.guests import MachineError, hypervisor_path
from lab.workload import ROOT, build_initramfs

KERNEL_SPACE = 0xFFFFFFFF80000000
UPPER_HALF = 0xFFFF800000000000
EVENT = re.compile(rb"v=(\w\w) e=(\w+) i=0 cpl=3 IP=e033:(\w+) pc=\w+ SP=\w+:\w+ (?:CR2=(\w+))?")
KINDS = {(0x0D, 0): "privileged instruction", (0x06, 0): "CPUID", (0x0E, 7): "page-table write"}


class Symbols:
    """Names of a kernel's functions."""

    def __init__(self, path: Path) -> None:
        entries = []
        for line in path.read_text(encoding="ascii").splitlines():
            address, kind, name = line.split(None, 2)
            if kind in "tT":
                entries.append((int(address, 16), name))
        entries.sort()
        self.addresses_ = [address for address, _ in entries]
        self.names_ = [name for _, name in entries]

    def name(self, address: int) -> str:
        """The function at an address."""
        at = bisect.bisect_right(self.addresses_, address) - 1
        return f"{self.names_[at]}+{address - self.addresses_[at]:#x}" if at >= 0 else f"{address:#x}"


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", type=Path, default=ROOT / "build/guest/micro", help="directory with vmlinuz and System.map")
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--arguments", default="", help="more kernel arguments, as boot_only=1")
    parser.add_argument("--memory", type=int, default=256, metavar="MIB", help="memory of the domain (default: 256)")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--console", type=Path, help="where the console goes (default: nowhere)")
    parser.add_argument("--time-limit", type=int, default=300, metavar="SECONDS")
    return parser.parse_args()


def command_line(arguments: argparse.Namespace, hypervisor: Path, initrd: Path, log: Path) -> list[str]:
    """QEMU's arguments: exceptions go to a pipe, the console to a file."""
    kernel_arguments = f"console=hvc0 panic=-1 then_reboot=1 {arguments.arguments}".replace(",", ",,")
    return ["timeout", str(arguments.time_limit), "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "qemu64,+rdrand",
            "-smp", str(arguments.cpus), "-m", str(arguments.memory + 256), "-no-reboot", "-display", "none", "-nodefaults",
            "-serial", f"file:{arguments.console or '/dev/null'}", "-kernel", str(hypervisor),
            "-append", f"dom0_mem={arguments.memory}M,max:{arguments.memory}M console=com1 com1=115200,8n1 noreboot=0",
            "-initrd", f"{arguments.kernel / 'vmlinuz'} {kernel_arguments},{initrd}", "-d", "int", "-D", str(log)]


def events(stream: Iterator[bytes]) -> Iterator[tuple[str, int]]:
    """Kind and address of each trap in QEMU's log."""
    for line in stream:
        if match := EVENT.search(line):
            address = int(match[3], 16)
            kind = KINDS.get((int(match[1], 16), int(match[2], 16)))
            # The kernel writes to user memory too; a fault there is the program's.
            in_kernel = match[4] is None or int(match[4], 16) >= UPPER_HALF
            if kind is not None and address >= KERNEL_SPACE and in_kernel:
                yield kind, address


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    try:
        hypervisor = hypervisor_path(arguments.hypervisor)
    except MachineError as error:
        print(f"list-traps: error: {error}", file=sys.stderr)
        return 3
    for path in (arguments.kernel / "vmlinuz", arguments.kernel / "System.map"):
        if not path.is_file():
            print(f"list-traps: error: {path} does not exist\n  hint: make guest-kernel", file=sys.stderr)
            return 3
    symbols = Symbols(arguments.kernel / "System.map")
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        pipe, initrd = Path(scratch, "log"), Path(scratch, "initrd")
        os.mkfifo(pipe)
        initrd.write_bytes(build_initramfs())
        process = subprocess.Popen(command_line(arguments, hypervisor, initrd, pipe), stdin=subprocess.DEVNULL)
        with pipe.open("rb") as stream:
            for kind, address in events(iter(stream)):
                counts[kind, symbols.name(address)] += 1
        status = process.wait()
    totals: Counter[str] = Counter()
    for (kind, place), count in counts.most_common():
        print(f"{count:8} {kind:24} {place}")
        totals[kind] += count
    for kind in KINDS.values():
        print(f"total {totals[kind]:8} {kind}")
    return 0 if status == 0 and totals else 1


if __name__ == "__main__":
    sys.exit(main())
