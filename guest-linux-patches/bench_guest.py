#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares kernels as guests: instructions per workload, counted by QEMU's -icount, and on Tessera entries into the hypervisor by cause."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.counters import Counters
from lab.guests import Run, figures_of, run_guests
from lab.workload import ROOT, Figures

WORKLOADS = ("fork_exec_exit", "map_touch_unmap", "mprotect", "pipe_ring", "compile_like", "database_like")


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--tool", default="xl", choices=["xl", "vmctl"], help="what creates the guests (default: xl)")
    parser.add_argument("--baseline", type=Path, default=ROOT / "build/guest/micro-unpatched/vmlinuz", help="kernel to compare with")
    parser.add_argument("--kernel", type=Path, default=ROOT / "build/guest/micro/vmlinuz", help="kernel to judge")
    parser.add_argument("--memory", type=int, default=64, metavar="MIB", help="memory of the guests (default: 64)")
    parser.add_argument("--vcpus", type=int, default=1, help="vCPUs of the guests (default: 1)")
    parser.add_argument("--free-running", action="store_true", help="without -icount: run the workloads to see them pass, ticks mean nothing")
    parser.add_argument("--judge", action="store_true", help="fail when a goal of the kit is missed")
    parser.add_argument("--log", type=Path, default=ROOT / "build/logs/bench-guest.log")
    parser.add_argument("--time-limit", type=int, default=1500, metavar="SECONDS")
    return parser.parse_args()


def change(old: float, new: float) -> str:
    """How much more or less than `old` the value `new` is."""
    return f"{100 * (new - old) / old:+8.1f}%" if old else f"{'=' if new == 0 else 'new':>9}"


def print_instructions(before: Figures, after: Figures) -> None:
    """A line per workload: instructions of the whole machine per round under both kernels."""
    print(f"{'instructions':24} {'baseline':>12} {'kernel':>12} {'change':>9}")
    print(f"{'boot to init':24} {before.boot.ran:12} {after.boot.ran:12} {change(before.boot.ran, after.boot.ran)}")
    for name in WORKLOADS:
        old, new = before.per_round[name], after.per_round[name]
        print(f"{name:24} {old:12.0f} {new:12.0f} {change(old, new)}")


def print_entries(before: Figures, after: Figures) -> None:
    """A line per workload: entries into the hypervisor per round, and what was emulated in all rounds together."""
    head = "".join(f"{text:>12} {'kernel':>12}" for text in ("entries", "emulated", "writes emul."))
    print(f"\n{'':24} {head}")
    for name in ("boot to init", *WORKLOADS):
        cells = []
        for measure in ("entries", "emulated", "writes_emulated"):
            for figures in (before, after):
                counters = figures.boot if name == "boot to init" else figures.steady[name]
                rounds = figures.rounds[name] if measure == "entries" and name in figures.rounds else 1
                cells.append(f"{getattr(counters, measure) / rounds:12.{0 if rounds == 1 else 1}f}")
        print(f"{name:24} {' '.join(cells)}")


def print_causes(before: Counters, after: Counters, name: str, rounds: int) -> None:
    """Every cause of entry in one workload, per round, the most frequent first; rare ones are left out."""
    print(f"\n{name + ', by cause':40} {'baseline':>10} {'kernel':>10}")
    old, new = before.causes, after.causes
    for cause in sorted(old.keys() | new.keys(), key=lambda cause: (-old[cause], cause)):
        if max(old[cause], new[cause]) >= max(rounds // 10, 10):
            print(f"{cause:40} {old[cause] / rounds:10.1f} {new[cause] / rounds:10.1f}")


def goals_missed(before: Figures, after: Figures, *, counted: bool) -> list[str]:
    """Which of the kit's goals these figures miss; entries are judged where the hypervisor counts them."""
    fork = "fork_exec_exit"
    goals = [(f"instructions of {fork} 15 % fewer", after.per_round[fork] <= 0.85 * before.per_round[fork]),
             ("instructions from boot to init 30 % fewer", 0 < after.boot.ran <= 0.70 * before.boot.ran)]
    if counted:
        goals += [("counters to judge by", bool(before.boot.causes and after.boot.causes)),
                  (f"entries of {fork} halved", 2 * after.steady[fork].entries <= before.steady[fork].entries),
                  ("emulated instructions from boot to init a fifth", 5 * after.boot.emulated <= before.boot.emulated)]
        for name in WORKLOADS:
            goals.append((f"no emulated instruction in {name}", after.steady[name].emulated == 0))
            goals.append((f"no emulated page-table write in {name}", after.steady[name].writes_emulated == 0))
    return [text for text, met in goals if not met]


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    # Where random mappings begin decides how many page tables they need.
    words = "" if arguments.free_running else "stops=1 norandmaps"
    runs = [Run("baseline", arguments.baseline, arguments.memory, words, arguments.vcpus),
            Run("kernel", arguments.kernel, arguments.memory, words, arguments.vcpus)]
    for run in runs:
        if not run.kernel.is_file():
            print(f"bench-guest: error: {run.kernel} does not exist\n  hint: make -f guest-linux-patches/build.mk guest-kernel guest-kernel-unpatched", file=sys.stderr)
            return 3
    try:
        figures = figures_of(run_guests(arguments.hypervisor, arguments.tool, runs, arguments.log, counting=not arguments.free_running,
                                        limit_seconds=arguments.time_limit))
    except RuntimeError as error:
        print(f"bench-guest: error: {error}", file=sys.stderr)
        return 1
    for name, figure in figures.items():
        if not figure.passed or set(figure.per_round) != set(WORKLOADS):
            print(f"bench-guest: error: the workloads did not pass in {name}; see {arguments.log}", file=sys.stderr)
            return 1
    if arguments.free_running:
        print("all workloads passed on both kernels")
        return 0
    return report(figures["baseline"], figures["kernel"], judge=arguments.judge, counted=arguments.hypervisor != "stock")


def report(before: Figures, after: Figures, *, judge: bool, counted: bool) -> int:
    """Prints the tables and, when asked to judge, what is missed; returns the exit code."""
    print_instructions(before, after)
    if counted:
        print_entries(before, after)
        print_causes(before.boot, after.boot, "boot to init", 1)
        for name in WORKLOADS:
            print_causes(before.steady[name], after.steady[name], name, before.rounds[name])
    missed = goals_missed(before, after, counted=counted) if judge else []
    for text in missed:
        print(f"bench-guest: goal missed: {text}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
