# SPDX-License-Identifier: MIT
"""A toy kernel source with the make targets that the builder uses, so that its tests take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

MAKEFILE = """\
KNOWN := CONFIG_MODULES CONFIG_NUMBER CONFIG_XEN $(shell sed -n 's/^.. option //p' kernel/main.c)
all: bzImage
allnoconfig:
\t@: > .config
\t@for name in $(KNOWN); do grep "^$$name=" "$$KCONFIG_ALLCONFIG" | grep -v '=n$$' >> .config || true; done
bzImage:
\t@echo "  CC      kernel/main.o"
\t@echo "$(CC)" > "$(HOME)/compiler"
\t@mkdir -p arch/x86/boot
\t@$(if $(wildcard slow),sleep 60)
\t@cat kernel/main.c .config > vmlinux
\t@echo "$(KBUILD_BUILD_USER) $(KBUILD_BUILD_HOST) $(KBUILD_BUILD_TIMESTAMP)" >> vmlinux
\t@xz -c vmlinux > arch/x86/boot/bzImage
\t@echo "0 T start" > System.map
\t@grep -q broken kernel/main.c && { echo "kernel/main.c:1: error: broken"; exit 2; } || true
modules:
\t@echo "  LD [M]  toy.ko"
modules_install:
\t@mkdir -p $(INSTALL_MOD_PATH)/lib/modules/6.1.0
\t@echo toy > $(INSTALL_MOD_PATH)/lib/modules/6.1.0/toy.ko
\t@ln -s /usr/src $(INSTALL_MOD_PATH)/lib/modules/6.1.0/build
"""

MAIN = "".join(f"int value_{number} = {number};\n" for number in range(40))


@dataclass
class FakeKit:
    """A kit directory, a source tarball and a cache, all below one temporary directory."""

    root: Path

    @property
    def kit(self) -> Path:
        """Where the series and the configurations are."""
        return self.root / "kit"

    @property
    def output(self) -> Path:
        """Where artefacts go."""
        return self.root / "tree" / "build" / "guest"

    @property
    def cache(self) -> Path:
        """The builder's cache directory."""
        return self.root / "cache"

    def create(self) -> None:
        """Writes a whole kit that builds."""
        (self.kit / "configs").mkdir(parents=True)
        (self.kit / "patches").mkdir()
        (self.kit / "configs" / "common.config").write_text("CONFIG_XEN=y\n", encoding="utf-8")
        (self.kit / "configs" / "micro.config").write_text("CONFIG_NUMBER=32\nCONFIG_MODULES=n\n", encoding="utf-8")
        (self.kit / "configs" / "micro-series.config").write_text("# nothing\n", encoding="utf-8")
        (self.kit / "configs" / "server.config").write_text("CONFIG_MODULES=y\n", encoding="utf-8")
        (self.kit / "patches" / "series").write_text("# nothing\n", encoding="utf-8")
        self.pack_source(MAIN)

    def pack_source(self, main: str, *, slow: bool = False, pin: bool = True) -> None:
        """Makes the tarball; `slow` makes its build wait long enough to be interrupted."""
        tree = self.root / "source" / "linux-toy"
        (tree / "kernel").mkdir(parents=True, exist_ok=True)
        (tree / "Makefile").write_text(MAKEFILE, encoding="utf-8")
        (tree / "Kconfig").write_text("", encoding="utf-8")
        (tree / "kernel" / "main.c").write_text(main, encoding="utf-8")
        if slow:
            (tree / "slow").write_text("", encoding="utf-8")
        tarball = self.root / "linux-toy.tar.xz"
        subprocess.run(["tar", "-cJf", tarball, "-C", tree.parent, tree.name], check=True)
        if pin:
            digest = subprocess.run(["sha256sum", tarball], check=True, capture_output=True, text=True).stdout.split()[0]
            fields = {"package": "linux-toy", "version": "1-1", "tarball": str(tarball), "sha256": digest, "timestamp": "2026-01-01 00:00:00 UTC"}
            (self.kit / "source.json").write_text(json.dumps(fields), encoding="utf-8")

    def add_patch(self, name: str, old: str, new: str) -> None:
        """Adds a patch that replaces one line of the toy's main file."""
        lines = MAIN.splitlines()
        at = lines.index(old)
        before, after = lines[at - 3 : at], lines[at + 1 : at + 4]
        body = [f" {line}" for line in before] + [f"-{old}", f"+{new}"] + [f" {line}" for line in after]
        text = f"Subject: {name}\n\n--- a/kernel/main.c\n+++ b/kernel/main.c\n@@ -{at - 2},7 +{at - 2},7 @@\n" + "\n".join(body) + "\n"
        (self.kit / "patches" / name).write_text(text, encoding="utf-8")
        with (self.kit / "patches" / "series").open("a", encoding="utf-8") as series:
            series.write(f"{name}\n")

    def command(self, *words: str) -> list[str]:
        """Command line of the builder for this kit."""
        program = Path(__file__).resolve().parents[3] / "guest-linux-patches" / "build_guest_kernel.py"
        return ["python3", str(program), "--kit", str(self.kit), "--output", str(self.output), "--jobs", "1", *words]

    def environment(self) -> dict[str, str]:
        """Environment that points the builder at this cache."""
        return {**os.environ, "TESSERA_CACHE": str(self.cache), "HOME": str(self.root)}

    def compiler(self) -> str:
        """The compiler that the last build was told to use."""
        return (self.root / "compiler").read_text(encoding="utf-8").strip()

    def run(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Runs the builder to its end."""
        return subprocess.run(self.command(*words), env={**self.environment(), **extra}, capture_output=True, text=True, check=False, timeout=120)

    def leftovers(self) -> list[str]:
        """Half-done things that a run left in the cache or beside the artefacts."""
        found = [entry.name for entry in (self.cache / "guest-kernel").glob(".scratch-*")]
        if self.output.is_dir():
            found += [entry.name for entry in self.output.iterdir() if entry.name.startswith(".")]
        return found


class KitTest(unittest.TestCase):
    """A test with a kit, a cache and an output directory of its own."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.fake = FakeKit(Path(holder.name))
        self.fake.create()
