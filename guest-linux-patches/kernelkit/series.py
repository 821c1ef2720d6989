# SPDX-License-Identifier: MIT
"""Reads a quilt series and applies it to a source tree, patch by patch."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .errors import ExitCode, KitError, configuration_file
from .process import clean_environment, full_disk, out_of_space


@dataclass(frozen=True)
class Patch:
    """One entry of the series."""

    name: str
    path: Path

    def files(self) -> list[str]:
        """Paths that the patch touches, without the leading component."""
        names = re.findall(r"^\+\+\+ [^/\s]+/(\S+)", self.path.read_text(encoding="utf-8"), re.MULTILINE)
        old = re.findall(r"^--- [^/\s]+/(\S+)", self.path.read_text(encoding="utf-8"), re.MULTILINE)
        return sorted(set(names) | {name for name in old if name != "null"})


    def growth(self) -> int:
        """By how many bytes the patched files become larger."""
        grown = before = after = 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            if before == after == 0:
                if match := re.match(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
                    before, after = (int(count) if count is not None else 1 for count in match.groups())
                continue
            grown += {b"+": len(line) - 1, b"-": 1 - len(line)}.get(line[:1], 0)
            before -= line[:1] in b"- \n"
            after -= line[:1] in b"+ \n"
        return grown


class Fit(Enum):
    """How well a patch applies to a tree."""

    CLEAN = "applies"
    MOVED = "applies with offsets"
    FUZZY = "applies with fuzz"
    PRESENT = "is already in the source"
    CONFLICT = "does not apply"


@dataclass(frozen=True)
class Attempt:
    """What came of applying one patch."""

    patch: Patch
    fit: Fit
    output: str


def read_series(directory: Path) -> list[Patch]:
    """Reads `series`; every patch that it names must exist. Lines are `NAME [-p1]`, `#` starts a comment."""
    with configuration_file("the patch series"):
        lines = (directory / "series").read_text(encoding="utf-8").splitlines()
    patches = []
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[1:] not in ([], ["-p1"]):
            raise KitError(f"series:{number}: only -p1 patches are understood: {line.strip()}", "", ExitCode.CONFIGURATION)
        patch = Patch(words[0], directory / words[0])
        if not patch.path.is_file():
            raise KitError(f"series:{number}: patch {patch.name} does not exist", f"add {patch.path} or remove the line", ExitCode.NOT_FOUND)
        if any(known.name == patch.name for known in patches):
            raise KitError(f"series:{number}: patch {patch.name} is named twice", "remove one of the lines", ExitCode.CONFIGURATION)
        patches.append(patch)
    return patches


def run_patch(tree: Path, patch: Patch, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs patch(1) in the tree without ever asking a question or leaving files aside."""
    command = ["patch", "-p1", "--batch", "--no-backup-if-mismatch", "--reject-file=-", *options, "-i", str(patch.path.resolve())]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env=clean_environment({}))
    if result.returncode != 0 and (said := out_of_space((result.stdout + result.stderr).splitlines())):
        raise full_disk(f"applying {patch.name}", said)
    return result


def total_size(tree: Path, patch: Patch) -> int:
    """Size of the files that a patch touches, together."""
    return sum((tree / name).stat().st_size for name in patch.files() if (tree / name).is_file())


def try_patch(tree: Path, patch: Patch) -> Attempt:
    """Applies one patch if it can be applied at all and says how well it fitted; a conflict leaves the tree as it was."""
    for fuzz in ("0", "2"):
        if run_patch(tree, patch, "--forward", "--dry-run", f"--fuzz={fuzz}").returncode == 0:
            expected = total_size(tree, patch) + patch.growth()
            result = run_patch(tree, patch, "--forward", f"--fuzz={fuzz}")
            # patch(1) does not notice when the disk is full and leaves a file cut short behind
            if result.returncode == 0 and total_size(tree, patch) != expected:
                raise full_disk(f"applying {patch.name}", f"{', '.join(patch.files())} was not written to its end")
            if result.returncode != 0:
                return Attempt(patch, Fit.CONFLICT, result.stdout + result.stderr)
            if " with fuzz " in result.stdout:
                return Attempt(patch, Fit.FUZZY, result.stdout)
            return Attempt(patch, Fit.MOVED if "offset" in result.stdout else Fit.CLEAN, result.stdout)
    if run_patch(tree, patch, "--reverse", "--dry-run", "--fuzz=0").returncode == 0:
        return Attempt(patch, Fit.PRESENT, "")
    rejected = run_patch(tree, patch, "--forward", "--dry-run", "--fuzz=0")
    return Attempt(patch, Fit.CONFLICT, rejected.stdout + rejected.stderr)


def apply_series(tree: Path, patches: list[Patch], pinned_version: str, found: str) -> None:
    """Applies the whole series or fails with the name of the first patch that does not fit exactly."""
    for patch in patches:
        attempt = try_patch(tree, patch)
        if attempt.fit in (Fit.CLEAN, Fit.MOVED):
            continue
        lines = [line for line in attempt.output.splitlines() if "FAILED" in line or "fuzz" in line or "can't find" in line]
        detail = "".join(f"\n    {line}" for line in lines)
        raise KitError(f"patch {patch.name} {attempt.fit.value} (series made for {pinned_version}, source is {found}){detail}",
                       "run `make guest-kernel-rebase` for a report on every patch")
