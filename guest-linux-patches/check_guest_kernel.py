#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks a built kernel as a whole: sums, size, the patches' style, guests on Tessera and on stock Xen, and that it builds to the same bits again."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kernelkit.errors import KitError
from kernelkit.series import read_series
from kernelkit.source import find_source, read_pin
from lab.guests import Run, run_guests
from lab.workload import ROOT, read_figures

KIT = ROOT / "guest-linux-patches"
SIZE_LIMIT = 4 << 20


class Failure(Exception):
    """Why a check failed."""


def is_server(kernel: Path) -> bool:
    """Whether these are the artefacts of the server flavour."""
    return kernel.name == "server"


def check_sums(kernel: Path) -> str:
    """The artefacts are whole."""
    result = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=kernel, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(result.stdout + result.stderr)
    return "all artefacts have their sums"


def check_size(kernel: Path) -> str:
    """The compressed image is small."""
    size = (kernel / "vmlinuz").stat().st_size
    if size > SIZE_LIMIT:
        raise Failure(f"vmlinuz has {size} bytes, more than {SIZE_LIMIT}")
    return f"vmlinuz has {size / (1 << 20):.2f} MiB"


def check_style() -> str:
    """The patches are as the kernel's own checker wants them."""
    pin = read_pin(KIT / "source.json")
    patches = [str(patch.path) for patch in read_series(KIT / "patches")]
    with tempfile.TemporaryDirectory() as scratch:
        names = [f"*/scripts/{name}" for name in ("checkpatch.pl", "spelling.txt", "const_structs.checkpatch")]
        subprocess.run(["tar", "-x", "-f", str(find_source(pin).tarball), "-C", scratch, "--wildcards", "--strip-components=1", *names], check=True)
        command = ["perl", f"{scratch}/scripts/checkpatch.pl", "--strict", "--no-tree", "--quiet", *patches]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0 or result.stdout:
        raise Failure(result.stdout + result.stderr)
    return f"checkpatch has nothing to say of {len(patches)} patches"


def check_workloads(kernel: Path, hypervisor: str, tool: str, repeat: int) -> str:
    """Every workload passes in a small guest of one vCPU, and again and again in one of two."""
    small, large = (128, 192) if is_server(kernel) else (64, 96)
    log = ROOT / "build" / "logs" / f"guest-kernel-{hypervisor}.log"
    runs = [Run("one", kernel / "vmlinuz", small)] + [Run(f"two-{number}", kernel / "vmlinuz", large, vcpus=2) for number in range(1, repeat + 1)]
    for name, console in run_guests(hypervisor, tool, runs, log, counting=False, limit_seconds=300 * len(runs), cpus=2).items():
        if not read_figures(console).passed:
            raise Failure(f"the workloads did not pass in guest {name}; see {log}\n" + "\n".join(console.splitlines()[-15:]))
        if trouble := [line for line in console.splitlines() if "WARNING:" in line or "BUG:" in line or "multicall(s) failed" in line]:
            raise Failure(f"the kernel complained in guest {name}; see {log}\n" + "\n".join(trouble))
    return f"all workloads passed with one vCPU, and {repeat} times with two"


def check_server(kernel: Path, hypervisor: str, tool: str) -> str:
    """A Debian root file system with systemd runs under it."""
    command = [sys.executable, str(KIT / "check_server_guest.py"), "--hypervisor", hypervisor, "--tool", tool, "--kernel", str(kernel)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(result.stderr + result.stdout)
    return result.stdout.strip()


def check_least_memory(kernel: Path, hypervisor: str, tool: str) -> str:
    """Init is reached in 24 MiB."""
    command = [sys.executable, str(KIT / "least_memory.py"), "--hypervisor", hypervisor, "--tool", tool, "--kernel", str(kernel / "vmlinuz"), "--at-most", "24"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(result.stdout + result.stderr)
    return result.stdout.strip().rsplit(": ", 1)[-1]


def check_goals(kernel: Path, baseline: Path, hypervisor: str, tool: str) -> str:
    """Against the packaged kernel: fewer instructions and, where they are counted, fewer entries and nothing emulated in steady state."""
    command = [sys.executable, str(KIT / "bench_guest.py"), "--judge", "--hypervisor", hypervisor, "--tool", tool, "--baseline", str(baseline / "vmlinuz"),
               "--kernel", str(kernel / "vmlinuz"), "--log", str(ROOT / "build" / "logs" / f"goals-{hypervisor}.log")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(result.stderr + result.stdout)
    return "all goals met\n" + result.stdout.rstrip()


def check_rebuild(kernel: Path) -> str:
    """Building again from scratch, each file compiled anew, gives the same bits."""
    again = ROOT / "build" / "guest-again"
    command = [sys.executable, str(KIT / "build_guest_kernel.py"), "--flavour", kernel.name, "--rebuild", "--without-ccache", "--output", str(again)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(result.stderr)
    if (again / kernel.name / "SHA256SUMS").read_bytes() != (kernel / "SHA256SUMS").read_bytes():
        raise Failure(f"{again / kernel.name} and {kernel} differ")
    return "two builds are bit-identical"


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", type=Path, default=ROOT / "build/guest/micro", help="directory of the artefacts (default: build/guest/micro)")
    parser.add_argument("--baseline", type=Path, help="directory of the packaged kernel's artefacts (default: KERNEL-unpatched)")
    parser.add_argument("--hypervisors", default="tessera,stock", help="comma-separated (default: tessera,stock)")
    parser.add_argument("--tool", default="xl", choices=["xl", "vmctl"], help="what creates the guests (default: xl)")
    parser.add_argument("--repeat", type=int, default=3, help="how often the workloads run on two vCPUs (default: 3)")
    parser.add_argument("--no-rebuild", action="store_true", help="leave the second build out")
    return parser.parse_args()


def all_checks(arguments: argparse.Namespace) -> list[tuple[str, Callable[[], str]]]:
    """What is to be checked, by name, in order; what a kernel is made for decides."""
    kernel = arguments.kernel.absolute()
    baseline = (arguments.baseline or kernel.with_name(kernel.name + "-unpatched")).absolute()
    checks: list[tuple[str, Callable[[], str]]] = [("sums", lambda: check_sums(kernel)), ("style", check_style)]
    if not is_server(kernel):
        checks.append(("size", lambda: check_size(kernel)))
    for hypervisor in filter(None, arguments.hypervisors.split(",")):
        checks.append((f"workloads on {hypervisor}", lambda name=hypervisor: check_workloads(kernel, name, arguments.tool, arguments.repeat)))
        if is_server(kernel):
            checks.append((f"Debian on {hypervisor}", lambda name=hypervisor: check_server(kernel, name, arguments.tool)))
        else:
            checks.append((f"least memory on {hypervisor}", lambda name=hypervisor: check_least_memory(kernel, name, arguments.tool)))
            checks.append((f"goals on {hypervisor}", lambda name=hypervisor: check_goals(kernel, baseline, name, arguments.tool)))
    if not arguments.no_rebuild:
        checks.append(("rebuild", lambda: check_rebuild(kernel)))
    return checks


def main() -> int:
    """Entry point; the last line counts."""
    checks = all_checks(parse_arguments())
    failed = 0
    for name, check in checks:
        start = time.monotonic()
        try:
            verdict, text = "pass", check()
        except (Failure, KitError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
            verdict, text, failed = "FAIL", str(error), failed + 1
        print(f"{verdict}  {name} ({time.monotonic() - start:.0f} s): {text}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
