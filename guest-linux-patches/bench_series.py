#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what each patch of the series changes: builds the kernel after every patch and runs them all as guests of one machine."""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from build_guest_kernel import KIT
from kernelkit.build import Workshop, cache_directory, choose_compiler, make, prepare, scratch_directory
from kernelkit.errors import KitError
from kernelkit.flavour import Inputs, gather
from kernelkit.fragments import merge, write_merged
from kernelkit.process import Command, run_logged, say
from kernelkit.series import Patch, run_patch
from kernelkit.source import find_source, read_pin, unpack
from lab.guests import Run, figures_of, run_guests
from lab.workload import ROOT, Figures

COLUMNS = ("fork_exec_exit", "map_touch_unmap", "mprotect", "compile_like")


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--tool", default="xl", choices=["xl", "vmctl"], help="what creates the guests (default: xl)")
    parser.add_argument("--kernels", type=Path, default=ROOT / "build/guest-series", help="where the kernels are kept (default: build/guest-series)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once (default: one per CPU)")
    parser.add_argument("--memory", type=int, default=64, metavar="MIB", help="memory of the guests (default: 64)")
    parser.add_argument("--log", type=Path, default=ROOT / "build/logs/bench-series.log")
    parser.add_argument("--time-limit", type=int, default=3600, metavar="SECONDS")
    return parser.parse_args()


def kernel_name(patches: list[Patch]) -> str:
    """Name of the kernel that these patches give."""
    return f"after-{patches[-1].name[:4]}" if patches else "packaged"


def compile_one(tree: Path, inputs: Inputs, shop: Workshop, target: Path) -> None:
    """Builds what the tree holds; the image is kept without its symbols and packed."""
    run_logged(Command(f"compiling {target.name}", make(tree, inputs, shop, "vmlinux"), shop.log, hint=f"the whole output is in {shop.log}"))
    bare = tree / "vmlinux.bare"
    subprocess.run(["objcopy", "--strip-all", str(tree / "vmlinux"), str(bare)], check=True)
    target.write_bytes(gzip.compress(bare.read_bytes(), mtime=0))
    bare.unlink()


def configure(tree: Path, inputs: Inputs, shop: Workshop) -> None:
    """Makes the configuration anew: an option may have left with its patch."""
    wanted = tree / ".wanted.config"
    write_merged(inputs.options, wanted)
    run_logged(Command("configuring the kernel", make(tree, inputs, shop, "allnoconfig"), shop.log, variables={"KCONFIG_ALLCONFIG": str(wanted)}))


def build_all(inputs: Inputs, shop: Workshop, directory: Path) -> list[Path]:
    """Builds the kernel of the whole series, then takes patch after patch away: only what that one touched is compiled again."""
    directory.mkdir(parents=True, exist_ok=True)
    shop.log.parent.mkdir(parents=True, exist_ok=True)
    shop.log.unlink(missing_ok=True)
    built: list[Path] = []
    with scratch_directory(shop.cache) as scratch:
        tree = unpack(inputs.source, scratch / "source", shop.log)
        prepare(tree, inputs, shop)
        packaged = replace(inputs, patches=[], options=merge([KIT / "configs" / name for name in ("common.config", "micro.config")]))
        for count in range(len(inputs.patches), -1, -1):
            built.append(directory / kernel_name(inputs.patches[:count]))
            say(f"building {built[-1].name}")
            compile_one(tree, inputs, shop, built[-1])
            if count and run_patch(tree, inputs.patches[count - 1], "--reverse", "--fuzz=0").returncode != 0:
                raise KitError(f"patch {inputs.patches[count - 1].name} cannot be taken away again")
            configure(tree, packaged, shop)
    return built[::-1]


def print_table(figures: dict[str, Figures], *, counted: bool) -> None:
    """A line per kernel: instructions of the boot and per round, entries and emulations where they are counted."""
    print(f"{'instructions':14} {'boot':>12} " + " ".join(f"{name:>16}" for name in COLUMNS))
    for name, figure in figures.items():
        print(f"{name:14} {figure.boot.ran:12} " + " ".join(f"{figure.per_round[column]:16.0f}" for column in COLUMNS))
    if not counted:
        return
    print(f"\n{'entries':14} {'boot':>12} " + " ".join(f"{name:>16}" for name in COLUMNS) + f" {'boot emulated':>14} {'steady emulated':>15}")
    for name, figure in figures.items():
        emulated = sum(counters.emulated + counters.writes_emulated for counters in figure.steady.values())
        cells = " ".join(f"{figure.steady[column].entries / figure.rounds[column]:16.1f}" for column in COLUMNS)
        print(f"{name:14} {figure.boot.entries:12} {cells} {figure.boot.emulated + figure.boot.writes_emulated:14} {emulated:15}")


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    try:
        inputs = gather(KIT, "micro", find_source(read_pin(KIT / "source.json")))
        names = [kernel_name(inputs.patches[:count]) for count in range(len(inputs.patches) + 1)]
        directory = arguments.kernels / inputs.key()
        kernels = [directory / name for name in names]
        if not all(kernel.is_file() for kernel in kernels):
            cache = cache_directory()
            cache.mkdir(parents=True, exist_ok=True)
            build_all(inputs, Workshop(cache, arguments.jobs, (ROOT / "build/logs/guest-series.log").absolute(), compiler=choose_compiler()), directory)
        runs = [Run(kernel.name, kernel, arguments.memory, "stops=1 norandmaps") for kernel in kernels]
        figures = figures_of(run_guests(arguments.hypervisor, arguments.tool, runs, arguments.log, counting=True, limit_seconds=arguments.time_limit))
    except KitError as error:
        print(error.describe(), file=sys.stderr)
        return int(error.code)
    except RuntimeError as error:
        print(f"bench-series: error: {error}", file=sys.stderr)
        return 1
    if failed := [name for name, figure in figures.items() if not figure.passed]:
        print(f"bench-series: error: the workloads did not pass in {', '.join(failed)}; see {arguments.log}", file=sys.stderr)
        return 1
    print_table(figures, counted=arguments.hypervisor != "stock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
