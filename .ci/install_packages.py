#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Installs the Debian packages of a list that this machine lacks, and does nothing when none is missing."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DENIED = 5
LOCK_OPTION = "DPkg::Lock::Timeout=300"


class SetupError(Exception):
    """A failure to report to the user: cause, hint and exit code."""

    def __init__(self, cause: str, hint: str, code: int) -> None:
        super().__init__(cause)
        self.hint = hint
        self.code = code


def read_list(path: Path) -> list[str]:
    """Returns the package names of a list: one a line, `#` starts a comment, repeats count once."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot read {path}: {error.strerror}", "run it from the top of the tree", EXIT_USAGE) from error
    names: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.split("#", 1)[0].strip()
        if not name:
            continue
        if len(name.split()) != 1 or not all(c.isalnum() or c in "+-.:" for c in name):
            raise SetupError(f"{path}:{number}: not a package name: {name!r}", "write one package a line", EXIT_USAGE)
        names[name] = None
    return list(names)


def parse_installed(output: str) -> set[str]:
    """Returns the names that dpkg-query's `${Status} ${Package}` and `${Provides}` lines show as installed."""
    installed: set[str] = set()
    for line in output.splitlines():
        status, _, rest = line.partition("\t")
        if status != "install ok installed":
            continue
        package, _, provides = rest.partition("\t")
        installed.add(package)
        for provided in provides.split(","):
            if provided.strip():
                installed.add(provided.split("(", 1)[0].strip())
    return installed


def installed_packages() -> set[str]:
    """Asks dpkg what is installed, virtual packages included."""
    if shutil.which("dpkg-query") is None:
        raise SetupError("there is no dpkg-query here", "Tessera builds on Debian 12", EXIT_USAGE)
    query = ["dpkg-query", "--show", "--showformat", "${Status}\\t${Package}\\t${Provides}\\n"]
    return parse_installed(subprocess.run(query, check=True, capture_output=True, text=True).stdout)


def root_prefix(missing: list[str]) -> list[str]:
    """Returns the words that make a command run as root."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is not None:
        return ["sudo"]
    raise SetupError(
        f"{len(missing)} packages are missing and this user is neither root nor able to use sudo",
        "as root: apt-get install --no-install-recommends " + " ".join(missing),
        EXIT_DENIED,
    )


def install(missing: list[str]) -> None:
    """Installs the missing packages through apt-get; shows its progress."""
    prefix = root_prefix(missing)
    print(f"setup: installing {len(missing)} packages: {' '.join(missing)}", flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", LOCK_OPTION]
    for step in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *missing]):
        result = subprocess.run(step, check=False, stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise SetupError(
                f"apt-get {step[len(apt)]} ended with {result.returncode}",
                "its messages above tell why; check the network and /etc/apt/sources.list",
                EXIT_FAILED,
            )


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path, help="file with one package name a line")
    parser.add_argument("--dry-run", action="store_true", help="only print the missing packages; exit 10 if there are any")
    arguments = parser.parse_args()
    try:
        have = installed_packages()
        missing = [name for name in read_list(arguments.list) if name not in have]
        if arguments.dry_run:
            print("\n".join(missing), end="\n" if missing else "")
            return 10 if missing else 0
        if missing:
            install(missing)
    except SetupError as error:
        print(f"setup: error: {error}\nsetup: hint: {error.hint}", file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
