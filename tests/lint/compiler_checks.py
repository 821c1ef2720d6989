#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs clang-format, clang-tidy or the second compiler over the C++ sources, with progress and a memory of clean files."""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from source_tree import SourceTree

EXIT_USAGE = 2
FORMAT = "clang-format-19"
TIDY = "clang-tidy-19"
COMPILER = "clang++-19"
# Tables of macro calls and files that are part of another file have no layout or translation of their own.
UNFORMATTED_SUFFIXES = (".inc", ".def", ".cxx")
FOREIGN_FOLDERS = ("guest-linux-patches",)

HOSTED = "-std=gnu++20 -Wall -Wextra -I."
FREESTANDING = (
    f"{HOSTED} -Ihypervisor -Ibuild/hypervisor -Ibuild/generated -DHV_FREESTANDING=1 -ffreestanding "
    "-fno-exceptions -fno-rtti -mno-red-zone"
)
# The flags that the analyser needs to read the sources of a folder; the longest matching folder counts.
FLAGS = {
    "hypervisor": FREESTANDING,
    "hypercalls": FREESTANDING,
    "toolstack": f"{HOSTED} -Itoolstack/libvm -Itoolstack/vmctl -Ihypervisor",
    "xenstore-like": f"{HOSTED} -Ixenstore-like -Ihypervisor",
}


@dataclass(frozen=True)
class Finding:
    """What a tool said about a file; empty when it is clean."""

    path: Path
    text: str


def need(program: str) -> None:
    """Ends with a usage error when a program is not installed."""
    if shutil.which(program) is None:
        print(f"lint: error: {program} is not installed\nlint: hint: make setup", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def run(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool in the tree and returns its output."""
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True, errors="replace")


def formatted_sources(tree: SourceTree) -> list[Path]:
    """The sources that clang-format keeps in shape."""
    return [p for p in tree.cxx if p.suffix not in UNFORMATTED_SUFFIXES and p.parts[0] not in FOREIGN_FOLDERS]


def check_format(tree: SourceTree, path: Path) -> Finding:
    """Compares a file with what clang-format would write."""
    result = run([FORMAT, "--style=file", "--dry-run", "--Werror", str(path)], tree.root)
    return Finding(path, result.stderr.strip() if result.returncode else "")


def analysed_sources(tree: SourceTree) -> list[Path]:
    """The translation units of the folders whose flags are known."""
    return [path for path in tree.cxx if path.suffix == ".cpp" and path.parts[0] in FLAGS]


def hypervisor_sources(tree: SourceTree) -> list[Path]:
    """The freestanding translation units."""
    return [path for path in analysed_sources(tree) if FLAGS[path.parts[0]] == FREESTANDING]


def check_tidy(tree: SourceTree, path: Path, memory: Path) -> Finding:
    """Analyses a file, unless its preprocessed text was found clean by the same settings before."""
    flags = shlex.split(FLAGS[path.parts[0]])
    preprocessed = run([COMPILER, *flags, "-E", "-C", str(path)], tree.root)
    if preprocessed.returncode != 0:
        return Finding(path, preprocessed.stderr.strip()[-2000:])
    settings = tree.text(Path(".clang-tidy"))
    key = hashlib.sha256("\0".join([settings, *flags, str(path), preprocessed.stdout]).encode()).hexdigest()
    mark = memory / key
    if mark.exists():
        return Finding(path, "")
    result = run([TIDY, "--quiet", str(path), "--", *flags], tree.root)
    if result.returncode != 0:
        return Finding(path, result.stdout.strip() or result.stderr.strip())
    memory.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return Finding(path, "")


def check_clang(tree: SourceTree, path: Path) -> Finding:
    """Compiles a file of the hypervisor with the second compiler, whose lock annotations GCC ignores."""
    flags = [*shlex.split(FREESTANDING), "-O2", "-fno-threadsafe-statics", "-fpie", "-mno-sse", "-mno-mmx", "-Werror"]
    result = run([COMPILER, *flags, "-Wthread-safety", "-c", "-o", os.devnull, str(path)], tree.root)
    return Finding(path, result.stderr.strip() if result.returncode else "")


def run_all(tree: SourceTree, tool: str, memory: Path, jobs: int) -> int:
    """Checks all sources; prints findings as they come; returns how many files have some."""
    checks = {
        "format": (formatted_sources(tree), lambda path: check_format(tree, path)),
        "tidy": (analysed_sources(tree), lambda path: check_tidy(tree, path, memory)),
        "clang": (hypervisor_sources(tree), lambda path: check_clang(tree, path)),
    }
    paths, check = checks[tool]
    failed = 0
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for number, finding in enumerate(pool.map(check, paths), start=1):
            if finding.text:
                failed += 1
                print(finding.text, flush=True)
            if number % 50 == 0:
                print(f"lint: {tool}: {number} of {len(paths)} files", flush=True)
    print(f"{'FAIL' if failed else 'ok  '} {tool}: {failed} of {len(paths)} files have findings")
    return failed


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=("format", "tidy", "clang", "rewrite"), help="what to run; rewrite changes the files")
    parser.add_argument("--root", type=Path, default=Path("."), help="top of the tree")
    parser.add_argument("--memory", type=Path, default=Path("build/lint/tidy"), help="marks of files found clean")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="files at a time")
    arguments = parser.parse_args()
    need({"tidy": TIDY, "clang": COMPILER}.get(arguments.tool, FORMAT))
    tree = SourceTree(arguments.root)
    if arguments.tool == "rewrite":
        paths = [str(path) for path in formatted_sources(tree)]
        return run([FORMAT, "--style=file", "-i", *paths], tree.root).returncode
    return 1 if run_all(tree, arguments.tool, arguments.memory, arguments.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
