# SPDX-License-Identifier: MIT
"""Finds the files that belong to the project, by the kinds that the checks tell apart."""

from __future__ import annotations

import subprocess
from functools import cached_property
from pathlib import Path

CXX_SUFFIXES = (".cpp", ".hpp", ".cxx", ".h", ".c", ".inc", ".def")
CODE_SUFFIXES = (*CXX_SUFFIXES, ".S", ".lds", ".py", ".mk", ".sh")
CODE_NAMES = ("Makefile", "Kconfig", "bootstrap", "run")


class SourceTree:
    """The files under a root: those that git tracks or would track, or all when there is no git."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[Path]:
        """All files, relative to the root, sorted."""
        listing = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=False,
            capture_output=True,
            text=True,
        )
        if listing.returncode == 0:
            found = {Path(name) for name in listing.stdout.split("\0") if name}
        else:
            found = {path.relative_to(self.root) for path in self.root.rglob("*") if ".git" not in path.parts}
            found = {path for path in found if path.parts[0] != "build"}
        return sorted(path for path in found if (self.root / path).is_file() and not (self.root / path).is_symlink())

    @cached_property
    def code(self) -> list[Path]:
        """What people write for a compiler, an assembler, an interpreter or make."""
        return [path for path in self.files if path.suffix in CODE_SUFFIXES or path.name in CODE_NAMES]

    @cached_property
    def cxx(self) -> list[Path]:
        """C++ and C sources, headers and tables."""
        return [path for path in self.files if path.suffix in CXX_SUFFIXES]

    @cached_property
    def python(self) -> list[Path]:
        """Python scripts and modules."""
        return [path for path in self.files if path.suffix == ".py"]

    def text(self, path: Path) -> str:
        """The contents of a file; bytes that are not UTF-8 are replaced."""
        return (self.root / path).read_text(encoding="utf-8", errors="replace")
