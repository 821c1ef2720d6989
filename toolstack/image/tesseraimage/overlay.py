# SPDX-License-Identifier: MIT
"""Makes the small initramfs segment laid over the control domain's image at each run: our programs, a script, guests' files."""

from __future__ import annotations

import json
from pathlib import Path

from .cpio import CpioWriter
from .elf import needed_libraries

LIBRARY_DIRECTORIES = [Path("/usr/lib/x86_64-linux-gnu"), Path("/lib/x86_64-linux-gnu"), Path("/usr/lib")]


class OverlayError(Exception):
    """An overlay cannot be made; the text says what is missing."""


class Overlay:
    """Collects what a run adds to the cached image; `finish` gives the segment to append to its initrd."""

    def __init__(self, image: Path) -> None:
        manifest = json.loads((image / "manifest.json").read_text(encoding="utf-8"))
        self._present = set(manifest["libraries"])
        self._writer = CpioWriter()

    def add_program(self, program: Path, target: str | None = None) -> None:
        """Adds an executable to /usr/bin, with the libraries that the image lacks (taken from this machine)."""
        data = program.read_bytes()
        self._writer.add_file(target or f"usr/bin/{program.name}", data, 0o755)
        self._add_libraries(data, program.name)

    def add_file(self, target: str, source: Path | bytes | str, mode: int = 0o644) -> None:
        """Adds a file with the contents of `source` (a path, bytes or text)."""
        if isinstance(source, Path):
            source = source.read_bytes()
        self._writer.add_file(target, source.encode() if isinstance(source, str) else source, mode)

    def finish(self) -> bytes:
        """The finished segment."""
        return self._writer.finish()

    def _add_libraries(self, data: bytes, wanted_by: str) -> None:
        for library in needed_libraries(data):
            if library in self._present or library.startswith("ld-linux"):
                continue
            path = next((directory / library for directory in LIBRARY_DIRECTORIES if (directory / library).exists()), None)
            if path is None:
                raise OverlayError(f"library '{library}' needed by '{wanted_by}' is neither in the image nor on this machine")
            self._present.add(library)
            contents = path.read_bytes()
            self._writer.add_file(f"usr/lib/x86_64-linux-gnu/{library}", contents, 0o755)
            self._add_libraries(contents, library)
