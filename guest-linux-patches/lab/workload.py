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

SOURCE = ROOT / "guest-linux-patches" / "workload" / "workload.cpp"
FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]


@dataclass
class Figures:
    """What a guest printed: ticks at init, memory in KiB, ticks per round of each workload, and whether all passed."""

    init_ticks: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    per_round: dict[str, float] = field(default_factory=dict)
    passed: bool = False


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
    if match := re.search(r"WORKLOAD init ticks=(\d+)", console):
        figures.init_ticks = int(match[1])
    for match in re.finditer(r"WORKLOAD memory (\w+):\s+(\d+) kB", console):
        figures.memory[match[1]] = int(match[2])
    for match in re.finditer(r"WORKLOAD end (\w+) rounds=(\d+) ticks=(\d+)", console):
        figures.per_round[match[1]] = int(match[3]) / int(match[2])
    figures.passed = "WORKLOAD all passed" in console
    return figures
