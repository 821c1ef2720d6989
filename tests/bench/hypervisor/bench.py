#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots the benchmark guest on Tessera and on Debian's Xen under the same QEMU command line, where the time-stamp counter
counts instructions exactly, and prints both beside the goals."""

from __future__ import annotations

import argparse
import gzip
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "toolstack" / "image")]

from harness.qemu import Machine, MachineError, MachineOptions  # noqa: E402
from rows import ROWS, Row  # noqa: E402
from tesseraimage.cache import cached  # noqa: E402

PACKAGE = "xen-hypervisor-4.17-amd64"
ACCELERATOR = "tcg,thread=single"
COUNTING = ["-icount", "shift=0,sleep=off"]
NO_MITIGATIONS = "spec-ctrl=no xpti=no"


def stock_hypervisor() -> Path:
    """Debian's Xen, unpacked once into the cache from the package."""
    def build(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            Path(scratch).chmod(0o777)  # apt downloads as a user of its own
            subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
            package = next(Path(scratch).glob("*.deb"))
            subprocess.run(["dpkg-deb", "-x", str(package), scratch], check=True)
            image = next(Path(scratch, "boot").glob("xen-*.gz"))
            (directory / "xen").write_bytes(gzip.decompress(image.read_bytes()))
            (directory / "version").write_text(package.name, encoding="utf-8")

    return cached("stock-xen", PACKAGE, build) / "xen"


def measure(hypervisor: Path, image: Path, arguments: argparse.Namespace, extra: str, log: str) -> dict[str, float]:
    """Boots `image` on `hypervisor`; returns per row the cost of one operation."""
    options = MachineOptions(kernel=hypervisor, modules=[(image, "")], cpu=arguments.cpu, memory_mib=512,
                             accelerator=ACCELERATOR, extra=COUNTING, time_limit=arguments.time_limit,
                             kernel_arguments=f"dom0_mem=64M,max:64M dom0_max_vcpus=2-2 console=com1 com1=115200,8n1 noreboot {extra}")
    with Machine(options, ROOT / "build" / "logs" / "bench" / f"{log}.log", arguments.echo) as machine:
        result = machine.wait_for(r"RESULT: (\w+)\s")
        if result[1] != "pass":
            raise MachineError(f"the benchmark failed on {log} (console: {machine.log})")
        lines = re.findall(r"^BENCH (\w+) (\d+) (\d+)$", machine.text, re.MULTILINE)
    return {key: int(total) / int(count) for key, total, count in lines}


def number(value: float | None) -> str:
    """A cost as the table shows it."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.1f}"


def print_markdown(rows: tuple[Row, ...], columns: dict[str, dict[str, float]]) -> None:
    """The same table for the documentation."""
    names = [*(name for name in columns if name != "tessera"), "tessera"]
    print(f"| operation | {' | '.join(names)} | goal | met |")
    print("|---|" + "---|" * (len(names) + 2))
    for row in rows:
        own = columns["tessera"].get(row.key)
        cells = " | ".join(number(columns[name].get(row.key)) for name in names)
        print(f"| {row.text} | {cells} | {number(row.goal)} | {'yes' if own is not None and own <= row.goal else 'no'} |")


def print_table(rows: tuple[Row, ...], columns: dict[str, dict[str, float]]) -> int:
    """Prints the table; returns how many goals are not met."""
    ours = columns["tessera"]
    others = [name for name in columns if name != "tessera"]
    heads = "".join(f"{name:>14}" for name in others)
    print(f"{'operation':<62}{heads}{'tessera':>14}{'ratio':>8}{'goal':>14}  met")
    missed = 0
    for row in rows:
        own = ours.get(row.key)
        stock = columns[others[-1]].get(row.key) if others else None
        ratio = f"{stock / own:.1f}" if stock is not None and own else "-"
        met = own is not None and own <= row.goal
        missed += not met
        shown = "".join(f"{number(columns[name].get(row.key)):>14}" for name in others)
        print(f"{row.text:<62}{shown}{number(own):>14}{ratio:>8}{number(row.goal):>14}  {'yes' if met else 'no'}")
    return missed


def main() -> int:
    """Entry point; returns 0 when both sides could be measured (goals do not decide)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=ROOT / "build" / "bench" / "bench.elf")
    parser.add_argument("--hypervisor", type=Path, default=ROOT / "build" / "tessera")
    parser.add_argument("--cpu", default="qemu64")
    parser.add_argument("--no-stock", action="store_true", help="measure Tessera alone")
    parser.add_argument("--time-limit", type=float, default=90, metavar="SECONDS")
    parser.add_argument("--markdown", action="store_true", help="print the table for docs/performance.md, too")
    parser.add_argument("--echo", action="store_true", help="show the consoles")
    arguments = parser.parse_args()
    try:
        columns = {}
        if not arguments.no_stock:
            stock = stock_hypervisor()
            columns["stock"] = measure(stock, arguments.image, arguments, "", "stock")
            columns["stock, bare"] = measure(stock, arguments.image, arguments, NO_MITIGATIONS, "stock-bare")
        columns["tessera"] = measure(arguments.hypervisor, arguments.image, arguments, "", "tessera")
    except (MachineError, subprocess.CalledProcessError, StopIteration, OSError) as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    print(f"QEMU: -accel {ACCELERATOR} {' '.join(COUNTING)} -smp 1 -cpu {arguments.cpu}; numbers are instructions executed.")
    print("Mitigations: 'stock' has Debian's defaults (retpolines, return-stack refill); 'stock, bare' is the same binary with")
    print(f"'{NO_MITIGATIONS}'; Tessera has none, so 'ratio' compares with 'stock, bare'.")
    missed = print_table(ROWS, columns)
    print(f"{len(ROWS) - missed} of {len(ROWS)} goals met")
    if arguments.markdown:
        print_markdown(ROWS, columns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
