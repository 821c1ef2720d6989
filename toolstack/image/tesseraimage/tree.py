# SPDX-License-Identifier: MIT
"""Looks into a Debian root kept as one tar file and picks the parts an image needs: files, libraries, kernel modules."""

from __future__ import annotations

import fnmatch
import posixpath
import tarfile
from pathlib import Path

from .elf import needed_libraries

LIBRARY_PATHS = ("usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64")


class TreeError(Exception):
    """Something that an image needs is not in the Debian root."""


class DebianTree:
    """Read-only view of the tar; names have no leading slash and are real paths (merged /usr resolved)."""

    def __init__(self, tar_path: Path) -> None:
        self._tar = tarfile.open(tar_path)
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in self._tar:
            name = posixpath.normpath(member.name).lstrip("/")
            self._members[name if name != "." else ""] = member

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def match(self, pattern: str) -> list[str]:
        """Names that match a shell pattern ('*' also crosses slashes)."""
        return sorted(fnmatch.filter(self._members, pattern.lstrip("/")))

    def real_directory(self, name: str) -> str:
        """Resolves links in the directory part of `name`."""
        parts, done = name.strip("/").split("/"), ""
        for depth, part in enumerate(parts):
            done = posixpath.join(done, part)
            member = self._members.get(done)
            if depth < len(parts) - 1 and member is not None and member.issym():
                done = self.real_directory(self._link_target(done, member))
        return done

    def lookup(self, name: str) -> tarfile.TarInfo | None:
        """The entry at `name` (last component not followed), or None."""
        return self._members.get(self.real_directory(name))

    def link_chain(self, name: str) -> list[str]:
        """`name` and every link target on the way to a real file; raises when it dangles."""
        chain = [self.real_directory(name)]
        while True:
            member = self._members.get(chain[-1])
            if member is None:
                raise TreeError(f"'{chain[-1]}' (wanted for '{name}') is in no package of the list")
            if not member.issym():
                return chain
            target = self.real_directory(self._link_target(chain[-1], member))
            if target in chain:
                raise TreeError(f"'{name}' is a loop of links")
            chain.append(target)

    def read(self, name: str) -> bytes:
        """Contents of a regular file; follows links and hard links."""
        member = self._members[self.link_chain(name)[-1]]
        stream = self._tar.extractfile(member)
        if stream is None:
            raise TreeError(f"'{name}' is no regular file")
        return stream.read()

    def link_target(self, name: str) -> str:
        """Text of the symbolic link at `name`."""
        return self._members[name].linkname

    def find_library(self, library: str) -> str | None:
        """Path of a shared library in the usual directories."""
        for directory in LIBRARY_PATHS:
            if self.lookup(f"{directory}/{library}") is not None:
                return f"{directory}/{library}"
        return None

    def library_closure(self, names: list[str]) -> list[str]:
        """`names` plus every library they need, directly or not."""
        done: dict[str, None] = {}
        queue = list(names)
        while queue:
            name = queue.pop()
            if name in done:
                continue
            done[name] = None
            for library in needed_libraries(self.read(name)):
                path = self.find_library(library)
                if path is None:
                    raise TreeError(f"library '{library}' needed by '{name}' is in no package of the list")
                queue.append(path)
        return sorted(done)

    def extract_all(self, destination: Path) -> None:
        """Unpacks everything (device nodes excepted: the kernel's devtmpfs provides them)."""
        members = [member for member in self._members.values() if not member.isdev()]
        self._tar.extractall(destination, members=members)

    @staticmethod
    def _link_target(name: str, member: tarfile.TarInfo) -> str:
        if member.linkname.startswith("/"):
            return posixpath.normpath(member.linkname).lstrip("/")
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
