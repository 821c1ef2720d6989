#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares kernels as guests: instructions of the whole machine per workload, counted by QEMU's -icount."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

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
    parser.add_argument("--log", type=Path, default=ROOT / "build/logs/bench-guest.log")
    parser.add_argument("--time-limit", type=int, default=1500, metavar="SECONDS")
    return parser.parse_args()


def print_table(before: Figures, after: Figures) -> None:
    """A line per workload: instructions per round of both kernels and the difference."""
    print(f"{'instructions per round':24} {'baseline':>12} {'kernel':>12} {'change':>8}")
    for name in WORKLOADS:
        old, new = before.per_round[name], after.per_round[name]
        print(f"{name:24} {old:12.0f} {new:12.0f} {100 * (new - old) / old:+7.1f}%")


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    runs = [Run("baseline", arguments.baseline, arguments.memory, vcpus=arguments.vcpus),
            Run("kernel", arguments.kernel, arguments.memory, vcpus=arguments.vcpus)]
    for run in runs:
        if not run.kernel.is_file():
            print(f"bench-guest: error: {run.kernel} does not exist\n  hint: make guest-kernel guest-kernel-unpatched", file=sys.stderr)
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
    else:
        print_table(figures["baseline"], figures["kernel"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
