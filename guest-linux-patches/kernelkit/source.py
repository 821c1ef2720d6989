# SPDX-License-Identifier: MIT
"""Finds Debian's packaged kernel source and unpacks the part of it that a guest kernel needs."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import ExitCode, KitError, configuration_file
from .process import Command, run_logged

# Headers of one graphics driver are a fifth of the tree and no guest kernel compiles them.
UNUSED = ("*/drivers/gpu/drm/amd/include/asic_reg", "*/Documentation/translations", "*/tools/testing/selftests", "*/tools/perf")


@dataclass(frozen=True)
class PinnedSource:
    """What `source.json` says: the package that the series was last checked against."""

    package: str
    version: str
    tarball: Path
    sha256: str
    timestamp: str


@dataclass(frozen=True)
class FoundSource:
    """The source as it is on this machine."""

    pinned: PinnedSource
    tarball: Path
    sha256: str

    @property
    def is_pinned(self) -> bool:
        """Whether this is exactly the source that the series was checked against."""
        return self.sha256 == self.pinned.sha256


def file_sha256(path: Path) -> str:
    """Hash of a file's contents."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_pin(path: Path) -> PinnedSource:
    """Reads `source.json`."""
    with configuration_file(path.name):
        text = path.read_text(encoding="utf-8")
    try:
        fields = json.loads(text)
        return PinnedSource(fields["package"], fields["version"], Path(fields["tarball"]), fields["sha256"], fields["timestamp"])
    except (ValueError, KeyError, TypeError) as error:
        raise KitError(f"{path.name} is damaged: {error!r}", "restore it from version control", ExitCode.CONFIGURATION) from error


def find_source(pin: PinnedSource, override: Path | None = None) -> FoundSource:
    """Locates the tarball; fails when the package is not installed."""
    tarball = override or pin.tarball
    if not tarball.is_file():
        hint = "check the path" if override else f"run `make setup`, or: apt-get install {pin.package}"
        raise KitError(f"kernel source {tarball} does not exist", hint, ExitCode.NOT_FOUND)
    return FoundSource(pin, tarball, file_sha256(tarball))


def installed_version(package: str) -> str:
    """Version of an installed package, or an empty string."""
    try:
        answer = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def unpack(source: FoundSource, directory: Path, log: Path) -> Path:
    """Unpacks the tarball below `directory` and returns the top of the tree."""
    directory.mkdir(parents=True, exist_ok=True)
    arguments = ["tar", "-x", "-f", str(source.tarball), "-C", str(directory), "--no-same-owner"]
    arguments += [f"--exclude={pattern}" for pattern in UNUSED]
    run_logged(Command("unpacking the kernel source", arguments, log, hint=f"is {source.tarball} complete? reinstall {source.pinned.package}"))
    tops = [entry for entry in directory.iterdir() if (entry / "Makefile").is_file() and (entry / "Kconfig").is_file()]
    if len(tops) != 1:
        raise KitError(f"{source.tarball} does not hold one kernel tree", f"reinstall {source.pinned.package}")
    return tops[0]
