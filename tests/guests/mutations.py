#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Takes the hypervisor's defences out, one at a time, and checks that the guest case about each of them notices.

A mutation is a row of mutations/*.toml: the hazard, a few lines of the hypervisor and what replaces them, the case that has to
fail, and words that its console has to show then, so that it fails for the reason meant. The changes are made in a copy of
the tree under build/mutations; every case has to pass there before anything is changed."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "mutations"
LOGS = OUTPUT / "logs"
COPIED = ("hypervisor", "hypercalls")
CASE_SECONDS = 60
ATTEMPTS = 3
EXIT_USAGE = 2


class MutationError(Exception):
    """The list of mutations, the copy or the build is not as it should be."""


@dataclass(frozen=True)
class Edit:
    """`text` occurs once in `file` and becomes `replacement`."""

    file: str
    text: str
    replacement: str


@dataclass(frozen=True)
class Mutation:
    """One defence taken out, and who notices."""

    name: str
    hazards: tuple[int, ...]
    case: str
    without: str
    shows: str
    edits: tuple[Edit, ...]


def read_mutations(paths: list[Path]) -> list[Mutation]:
    """Reads and checks the lists."""
    rows = [row for path in paths for row in tomllib.loads(path.read_text(encoding="utf-8"))["mutation"]]
    mutations = []
    for row in rows:
        edits = tuple(Edit(**edit) for edit in row["edit"])
        mutations.append(Mutation(row["name"], tuple(row["hazards"]), row["case"], row["without"], row["shows"], edits))
        re.compile(row["shows"])
        if not (ROOT / "tests/guests/cases" / f"{row['case']}.cpp").is_file():
            raise MutationError(f"{row['name']}: there is no case '{row['case']}'")
    names = [mutation.name for mutation in mutations]
    if len(set(names)) != len(names):
        raise MutationError("a name is used twice")
    return mutations


def apply(tree: Path, mutation: Mutation) -> dict[Path, str]:
    """Makes the changes; returns the former contents. A text that does not occur exactly once is an error."""
    before: dict[Path, str] = {}
    after: dict[Path, str] = {}
    for edit in mutation.edits:
        path = tree / edit.file
        if path not in before:
            before[path] = after[path] = path.read_text(encoding="utf-8")
        if after[path].count(edit.text) != 1:
            raise MutationError(f"{mutation.name}: the text is {after[path].count(edit.text)} times in {edit.file}, not once")
        after[path] = after[path].replace(edit.text, edit.replacement)
    for path, text in after.items():
        path.write_text(text, encoding="utf-8")
    return before


def copy_tree(tree: Path) -> None:
    """Brings the copy up to date with what the work tree holds now; unchanged files keep their times."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *COPIED], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in COPIED:
        for path in (tree / name).rglob("*"):
            if path.is_file() and str(path.relative_to(tree)) not in wanted:
                path.unlink()
    for name in sorted(wanted):
        source, target = ROOT / name, tree / name
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)


def build(tree: Path, jobs: int) -> str:
    """Builds the copy, each file by itself, which takes seconds after a change; returns the compiler's complaint."""
    environment = os.environ | {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": str(tree)}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    command = ["make", f"-j{jobs}", "-f", "hypervisor/build.mk", "CONFIG_OPTIMISE_WHOLE=", "EXTRA_CXXFLAGS=-Wno-error", "all"]
    result = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True, env=environment)
    return result.stderr[-3000:] if result.returncode else ""


def run_case(tree: Path, case: str) -> tuple[bool, str]:
    """Runs one case on the copy's hypervisor; returns whether it passed, and what was said about it on the way."""
    command = [sys.executable, str(ROOT / "tests/system/run_guest.py"), "--hypervisor", str(tree / "build/tessera"),
               "--machines", str(ROOT / "tests/guests/machines.json"), "--time-limit", str(CASE_SECONDS),
               str(ROOT / "build/guests" / f"{case}.elf")]
    for log in LOGS.glob(f"guests/{case}.elf*.log"):
        log.unlink()
    environment = os.environ | {"TESSERA_LOGS": str(LOGS)}
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=environment)
    text = result.stdout + result.stderr
    for log in sorted(LOGS.glob(f"guests/{case}.elf*.log")):
        text += log.read_text(encoding="utf-8", errors="replace")
    return result.returncode == 0, text


def try_mutation(tree: Path, mutation: Mutation, jobs: int) -> str:
    """Builds and runs a mutation; returns an empty text when its case noticed, else what went wrong."""
    before = apply(tree, mutation)
    try:
        complaint = build(tree, jobs)
        if complaint:
            raise MutationError(f"{mutation.name} does not compile:\n{complaint}")
        passed, text = run_case(tree, mutation.case)
    finally:
        for path, contents in before.items():
            path.write_text(contents, encoding="utf-8")
    (OUTPUT / f"{mutation.name}.log").write_text(text, encoding="utf-8")
    if passed:
        return f"{mutation.case} does not notice: {mutation.without}"
    if re.search(mutation.shows, text) is None:
        return f"{mutation.case} fails, but not for the reason meant: '{mutation.shows}' is not in {OUTPUT / mutation.name}.log"
    return ""


def check_unchanged(tree: Path, cases: list[str], jobs: int) -> None:
    """Every case that mutations are about passes while nothing is changed."""
    complaint = build(tree, jobs)
    if complaint:
        raise MutationError(f"the tree does not build:\n{complaint}")
    for case in cases:
        passed, text = run_case(tree, case)
        if not passed:
            raise MutationError(f"{case} fails although nothing is changed:\n{text[-2000:]}")


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, nargs="+", metavar="FILE", help="the mutations (default: mutations/*.toml)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilations at a time")
    parser.add_argument("--skip-unchanged", action="store_true", help="do not run the unchanged hypervisor first")
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutations or cases (default: all)")
    arguments = parser.parse_args()
    tree = OUTPUT / "tree"
    try:
        every = read_mutations(arguments.lists or sorted((ROOT / "tests/guests/mutations").glob("*.toml")))
        known = {mutation.name for mutation in every} | {mutation.case for mutation in every}
        if unknown := set(arguments.names) - known:
            raise MutationError(f"no such mutation or case: {' '.join(sorted(unknown))}")
        chosen = [m for m in every if not arguments.names or m.name in arguments.names or m.case in arguments.names]
        copy_tree(tree)
        for mutation in chosen: # all texts are looked up before the first build
            for path, contents in apply(tree, mutation).items():
                path.write_text(contents, encoding="utf-8")
        if not arguments.skip_unchanged:
            check_unchanged(tree, sorted({mutation.case for mutation in chosen}), arguments.jobs)
        missed = 0
        for mutation in chosen:
            started = time.monotonic()
            for _ in range(ATTEMPTS): # cases of two CPUs race, and do not always win
                if not (problem := try_mutation(tree, mutation, arguments.jobs)):
                    break
            missed += bool(problem)
            print(f"{'MISSED' if problem else 'noticed'}  {mutation.name}  ({time.monotonic() - started:.0f} s)"
                  + (f"\n        {problem}" if problem else ""), flush=True)
    except (MutationError, OSError, KeyError, TypeError, tomllib.TOMLDecodeError, re.error) as error:
        print(f"mutations: error: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(f"{len(chosen) - missed} passed, {missed} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
