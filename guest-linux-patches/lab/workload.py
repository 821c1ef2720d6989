# SPDX-License-Identifier: MIT
"""The initramfs with the fixed workloads, and what their output says."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "toolstack" / "image"))

from tesseraimage.cpio import CpioWriter  # noqa: E402

from .counters import Counters, read_stops  # noqa: E402

SOURCE = ROOT / "guest-linux-patches" / "workload" / "workload.cpp"
CPU_TIME = ROOT / "guest-linux-patches" / "lab" / "cpu_time.cpp"
CONTROL_FLAGS = ["-std=gnu++20", "-O2", "-Wall", "-Wextra", "-Werror", "-s"]
FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]


@dataclass
class Figures:
    """What a guest printed: memory in KiB, ticks per round of each workload, and whether all passed; and its counters, see counters.py."""

    memory: dict[str, int] = field(default_factory=dict)
    per_round: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    passed: bool = False
    boot: Counters = field(default_factory=Counters)
    steady: dict[str, Counters] = field(default_factory=dict)


def build_cpu_time() -> bytes:
    """Compiles the control domain's program that tells how long a guest has run; it uses the domain's own libraries."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "cpu_time")
        subprocess.run(["g++", *CONTROL_FLAGS, "-o", str(program), str(CPU_TIME), "-lxenctrl"], check=True)
        return program.read_bytes()


def build_initramfs() -> bytes:
    """Compiles the workloads and packs them as /init."""
    with tempfile.TemporaryDirectory() as scratch:
        program = Path(scratch, "init")
        subprocess.run(["g++", *FLAGS, "-o", str(program), str(SOURCE)], check=True)
        writer = CpioWriter()
        writer.add_file("init", program.read_bytes(), 0o755)
    for name, major, minor in (("console", 5, 1), ("kmsg", 1, 11), ("null", 1, 3)):
        writer.add_device(f"dev/{name}", "c", major, minor)
    return writer.finish()


def read_figures(console: str) -> Figures:
    """Reads a guest's console; lines may carry a printk prefix."""
    figures = Figures()
    for match in re.finditer(r"WORKLOAD memory (\w+):\s+(\d+) kB", console):
        figures.memory[match[1]] = int(match[2])
    for match in re.finditer(r"WORKLOAD end (\w+) rounds=(\d+) ticks=(\d+)", console):
        figures.rounds[match[1]] = int(match[2])
        figures.per_round[match[1]] = int(match[3]) / int(match[2])
    figures.passed = "WORKLOAD all passed" in console
    figures.boot, figures.steady = read_stops(console)
    return figures
