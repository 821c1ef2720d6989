# SPDX-License-Identifier: MIT
"""Chooses kernel modules with everything they depend on and writes the index that modprobe reads."""

from __future__ import annotations

import posixpath
import re
import subprocess
import tempfile
from pathlib import Path

from .cpio import CpioWriter
from .tree import DebianTree, TreeError

DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")
SOFT_DEPENDS = re.compile(rb"(?:^|\0)softdep=([^\0]*)\0")


def _normal(name: str) -> str:
    return posixpath.basename(name).removesuffix(".ko").replace("-", "_")


class ModuleSet:
    """The modules of one kernel version in a Debian root."""

    def __init__(self, tree: DebianTree, version: str) -> None:
        self._tree = tree
        self._version = version
        self._base = f"usr/lib/modules/{version}"
        self._paths = {_normal(name): name for name in tree.names()
                       if name.startswith(self._base + "/") and name.endswith(".ko")}
        self._builtin = {_normal(line) for line in tree.read(f"{self._base}/modules.builtin").decode().split()}
        if not self._paths:
            raise TreeError(f"kernel {version} has no modules in the Debian root")

    def closure(self, wanted: list[str]) -> list[str]:
        """Paths of `wanted` and their hard and soft dependencies; names built into the kernel are left out."""
        done: dict[str, str] = {}
        queue = [(_normal(name), True) for name in wanted]
        while queue:
            name, required = queue.pop()
            if name in done or name in self._builtin:
                continue
            if name not in self._paths:
                if required:
                    raise TreeError(f"kernel {self._version} has no module '{name}'")
                continue
            done[name] = self._paths[name]
            data = self._tree.read(self._paths[name])
            for match in DEPENDS.finditer(data):
                queue += [(_normal(item), True) for item in match[1].decode().split(",") if item]
            for match in SOFT_DEPENDS.finditer(data):
                queue += [(_normal(item), False) for item in match[1].decode().split() if not item.endswith(":")]
        return sorted(done.values())

    def add_to(self, writer: CpioWriter, wanted: list[str]) -> int:
        """Adds the closure of `wanted` and modprobe's index to an archive; returns the number of modules."""
        paths = self.closure(wanted)
        with tempfile.TemporaryDirectory() as scratch:
            base = Path(scratch, "lib/modules", self._version)
            for path in paths + [f"{self._base}/modules.builtin", f"{self._base}/modules.builtin.modinfo",
                                 f"{self._base}/modules.order"]:
                data = self._tree.read(path)
                target = base / posixpath.relpath(path, self._base)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
                if path.endswith(".ko"):
                    writer.add_file(path, data)
            subprocess.run([_depmod(), "-b", scratch, self._version], check=True)
            for index in sorted(base.glob("modules.*")):
                writer.add_file(f"{self._base}/{index.name}", index.read_bytes())
        return len(paths)


def _depmod() -> str:
    for candidate in ("/usr/sbin/depmod", "/sbin/depmod"):
        if Path(candidate).exists():
            return candidate
    return "depmod"
