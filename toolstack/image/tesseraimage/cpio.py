# SPDX-License-Identifier: MIT
"""Writes initramfs segments (cpio "newc"), so that small overlays can be appended to a big image without rebuilding it."""

from __future__ import annotations

import stat
from pathlib import Path


class CpioWriter:
    """Collects files in memory order and writes one archive; every entry belongs to root and has time 0 (reproducible)."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._inode = 0
        self._seen: set[str] = set()

    def add_file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Adds a regular file and the directories above it."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def add_symlink(self, name: str, target: str) -> None:
        """Adds a symbolic link and the directories above it."""
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def add_directory(self, name: str, mode: int = 0o755) -> None:
        """Adds a directory and those above it; adding one twice is harmless."""
        name = name.strip("/")
        if name in self._seen or not name:
            return
        self._parents(name)
        self._entry(name, stat.S_IFDIR | mode, b"")

    def add_device(self, name: str, kind: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Adds a character ('c') or block ('b') device node."""
        self._parents(name)
        self._entry(name, (stat.S_IFCHR if kind == "c" else stat.S_IFBLK) | mode, b"", major, minor)

    def contains(self, name: str) -> bool:
        """True when an entry of that name was added."""
        return name.strip("/") in self._seen

    def names(self) -> list[str]:
        """Names of everything added so far."""
        return sorted(self._seen)

    def finish(self) -> bytes:
        """Returns the archive, padded to 512 bytes so that another segment can follow it."""
        self._entry("TRAILER!!!", 0, b"")
        data = b"".join(self._chunks)
        return data + bytes(-len(data) % 512)

    def _parents(self, name: str) -> None:
        parts = name.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            self.add_directory("/".join(parts[:depth]))

    def _entry(self, name: str, mode: int, data: bytes, major: int = 0, minor: int = 0) -> None:
        name = name.strip("/")
        self._seen.add(name)
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._chunks.append(header + bytes(-len(header) % 4))
        if data:
            self._chunks.append(data)
            self._chunks.append(bytes(-len(data) % 4))


def add_tree(writer: CpioWriter, source: Path, prefix: str = "") -> None:
    """Adds every file, link and directory below `source`, keeping permission bits."""
    for path in sorted(source.rglob("*")):
        name = f"{prefix}/{path.relative_to(source)}".strip("/")
        if path.is_symlink():
            writer.add_symlink(name, str(path.readlink()))
        elif path.is_dir():
            writer.add_directory(name)
        else:
            writer.add_file(name, path.read_bytes(), path.stat().st_mode & 0o777)
