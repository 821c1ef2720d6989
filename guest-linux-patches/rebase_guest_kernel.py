#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tries the patch series on a kernel source and reports, patch by patch, how well it fits; with --write refreshes what moved."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from kernelkit.build import cache_directory, scratch_directory
from kernelkit.errors import ExitCode, KitError
from kernelkit.process import clean_environment, say
from kernelkit.series import Attempt, Fit, Patch, read_series, try_patch
from kernelkit.source import FoundSource, find_source, installed_version, read_pin, unpack

KIT = Path(__file__).resolve().parent
ACCEPTED = (Fit.CLEAN, Fit.MOVED)


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, help="kernel source tarball (default: the packaged one)")
    parser.add_argument("--kit", type=Path, default=KIT, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="rewrite moved patches, and source.json when all of them fit")
    return parser.parse_args()


def refreshed(tree: Path, before: Path, patch: Patch) -> str:
    """The patch as it is on this source: its own header and a new difference."""
    header = patch.path.read_text(encoding="utf-8").split("\n--- ", 1)[0].rstrip("\n") + "\n\n"
    parts = []
    for name in patch.files():
        command = ["diff", "-u", "-p", "-N", "--label", f"a/{name}", "--label", f"b/{name}", str(before / name), str(tree / name)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment({}))
        if answer.returncode > 1:
            raise KitError(f"diff of {name} failed: {answer.stderr.strip()}")
        parts.append(answer.stdout)
    return header + "".join(parts)


def keep_copies(tree: Path, patch: Patch, before: Path) -> None:
    """Copies the files that a patch is about to change."""
    shutil.rmtree(before, ignore_errors=True)
    for name in patch.files():
        if (tree / name).is_file():
            (before / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / name, before / name)


def report(attempt: Attempt) -> None:
    """One line for a patch, and what patch(1) said when it does not fit."""
    mark = "ok " if attempt.fit in ACCEPTED else "BAD"
    print(f"{mark} {attempt.patch.name}: {attempt.fit.value}")
    if attempt.fit in (Fit.CONFLICT, Fit.FUZZY):
        for line in attempt.output.splitlines():
            if line.startswith(("Hunk", "patching", "checking", "can't")):
                print(f"      {line}")


def rebase(arguments: argparse.Namespace, source: FoundSource) -> int:
    """Tries every patch, also behind one that does not fit, and returns how many need a person."""
    patches = read_series(arguments.kit / "patches")
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with scratch_directory(cache) as scratch:
        say(f"unpacking {source.tarball}")
        tree = unpack(source, scratch / "source", scratch / "log")
        bad = 0
        for patch in patches:
            keep_copies(tree, patch, scratch / "before")
            attempt = try_patch(tree, patch)
            report(attempt)
            bad += attempt.fit not in ACCEPTED
            if arguments.write and attempt.fit in (Fit.MOVED, Fit.FUZZY):
                patch.path.write_text(refreshed(tree, scratch / "before", patch), encoding="utf-8")
                print(f"      rewritten{'; look at it, fuzz can put a hunk in the wrong place' if attempt.fit is Fit.FUZZY else ''}")
    return bad


def write_pin(kit: Path, source: FoundSource) -> None:
    """Records the source that the series now fits."""
    path = kit / "source.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields.update(version=installed_version(source.pinned.package) or source.pinned.version, sha256=source.sha256)
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    print(f"source.json now names {fields['package']} {fields['version']}; set its timestamp to that package's changelog date")


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    try:
        source = find_source(read_pin(arguments.kit / "source.json"), arguments.source)
        bad = rebase(arguments, source)
        if bad == 0 and arguments.write and not source.is_pinned:
            write_pin(arguments.kit, source)
    except KitError as error:
        print(error.describe(), file=sys.stderr)
        return int(error.code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    state = "the source that the series was made for" if source.is_pinned else f"not the source of {source.pinned.version} that the series was made for"
    print(f"{bad} of the series need work; this is {state}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
