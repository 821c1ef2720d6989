# SPDX-License-Identifier: MIT
"""Tests of the image builder: archives, libraries, modules, the cache and the overlay."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "toolstack" / "image"))
from tesseraimage.cache import cached, hash_inputs  # noqa: E402
from tesseraimage.components import link_run  # noqa: E402
from tesseraimage.cpio import CpioWriter  # noqa: E402
from tesseraimage.elf import needed_libraries  # noqa: E402
from tesseraimage.modules import ModuleSet  # noqa: E402
from tesseraimage.overlay import Overlay, OverlayError  # noqa: E402
from tesseraimage.tree import DebianTree, TreeError  # noqa: E402


def read_cpio(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Names, modes and contents of an archive."""
    entries, position = {}, 0
    while True:
        fields = [int(data[position + 6 + 8 * index:position + 14 + 8 * index], 16) for index in range(13)]
        name_size, size = fields[11], fields[6]
        name = data[position + 110:position + 110 + name_size - 1].decode()
        body = (position + 110 + name_size + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        entries[name] = (fields[1], data[body:body + size])
        position = (body + size + 3) & ~3


def make_tree(path: Path, files: dict[str, bytes | str]) -> DebianTree:
    """A tar with files (bytes) and links (text) as the bootstrap writes it."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo("./" + name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return DebianTree(path)


class ScratchTest(unittest.TestCase):
    """Gives each test a directory and a cache of its own."""

    def setUp(self) -> None:
        """Makes them."""
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        saved = os.environ.get("TESSERA_CACHE")
        os.environ["TESSERA_CACHE"] = str(self.scratch / "cache")
        self.addCleanup(lambda: os.environ.pop("TESSERA_CACHE") if saved is None else os.environ.update(TESSERA_CACHE=saved))


class CpioTest(unittest.TestCase):
    """Initramfs segments."""

    def test_round_trip(self) -> None:
        """Files, links and the directories above them come back; segments can follow each other."""
        writer = CpioWriter()
        writer.add_file("usr/bin/tool", b"12345", 0o755)
        writer.add_symlink("/bin", "usr/bin")
        data = writer.finish()
        entries = read_cpio(data)
        self.assertEqual(entries["usr/bin/tool"], (0o100755, b"12345"))
        self.assertEqual(entries["bin"], (0o120777, b"usr/bin"))
        self.assertEqual(entries["usr/bin"][0], 0o040755)
        self.assertEqual(len(data) % 512, 0)
        self.assertEqual(list(entries).count("usr"), 1)


class TreeTest(ScratchTest):
    """Debian roots kept as tar files."""

    def test_links_and_merged_directories(self) -> None:
        """Paths through links are found under their real names; dangling and looping links are errors."""
        tree = make_tree(self.scratch / "t.tar", {"bin": "usr/bin", "usr/bin/tool": b"x", "usr/bin/alias": "tool",
                                                  "usr/bin/lost": "/nowhere", "usr/bin/loop": "loop"})
        self.assertEqual(tree.link_chain("bin/alias"), ["usr/bin/alias", "usr/bin/tool"])
        self.assertEqual(tree.read("/bin/alias"), b"x")
        for name in ("usr/bin/lost", "usr/bin/loop"):
            with self.assertRaises(TreeError):
                tree.link_chain(name)

    def test_libraries(self) -> None:
        """A real program names libc; other files name nothing; a library in no package is an error."""
        program = Path("/bin/ls").read_bytes()
        self.assertIn("libc.so.6", needed_libraries(program))
        self.assertEqual(needed_libraries(b"#!/bin/sh\n"), [])
        with self.assertRaisesRegex(TreeError, "in no package"):
            make_tree(self.scratch / "t.tar", {"usr/bin/ls": program}).library_closure(["usr/bin/ls"])

    def test_modules(self) -> None:
        """Dependencies follow, built-in modules are left out, unknown ones are errors."""
        base = "usr/lib/modules/6.1"
        tree = make_tree(self.scratch / "t.tar", {
            f"{base}/modules.builtin": b"kernel/crc.ko\n", f"{base}/kernel/a-b.ko": b"..\0depends=c,crc\0name=a\0",
            f"{base}/kernel/c.ko": b"\0depends=\0softdep=pre: d\0", f"{base}/kernel/d.ko": b"\0depends=\0"})
        modules = ModuleSet(tree, "6.1")
        self.assertEqual([Path(name).name for name in modules.closure(["a_b"])], ["a-b.ko", "c.ko", "d.ko"])
        with self.assertRaisesRegex(TreeError, "no module 'nothing'"):
            modules.closure(["nothing"])


class CacheTest(ScratchTest):
    """Published in one step, or not at all."""

    def test_builds_once_and_never_half(self) -> None:
        """A failing build leaves nothing; a good one runs once."""
        def bad(directory: Path) -> None:
            (directory / "half").write_text("x")
            raise TreeError("no")

        with self.assertRaises(TreeError):
            cached("thing", "1", bad)
        self.assertEqual([path for path in (self.scratch / "cache/images").iterdir() if path.is_dir()], [])
        runs: list[Path] = []
        self.assertEqual(cached("thing", "1", runs.append), cached("thing", "1", runs.append))
        self.assertEqual(len(runs), 1)

    def test_key_follows_inputs(self) -> None:
        """Another content gives another key; compiled leftovers do not."""
        source = self.scratch / "a"
        source.write_text("1")
        first = hash_inputs([self.scratch])
        (self.scratch / "__pycache__").mkdir()
        (self.scratch / "__pycache__/a.pyc").write_text("x")
        self.assertEqual(hash_inputs([self.scratch]), first)
        source.write_text("2")
        self.assertNotEqual(hash_inputs([self.scratch]), first)


class DiskTest(ScratchTest):
    """The links that unconfigured packages lack on the control domain's disk."""

    def test_run_replaces_the_directories_of_base_files(self) -> None:
        """The packages ship /var/run and /var/lock as empty directories."""
        for name in ("run", "lock"):
            (self.scratch / "var" / name).mkdir(parents=True)
        link_run(self.scratch)
        self.assertEqual(os.readlink(self.scratch / "var/run"), "/run")
        self.assertEqual(os.readlink(self.scratch / "var/lock"), "/run/lock")

    def test_run_makes_missing_links(self) -> None:
        """A tree without them gets them, too."""
        (self.scratch / "var").mkdir()
        link_run(self.scratch)
        self.assertTrue((self.scratch / "var/run").is_symlink())


class OverlayTest(ScratchTest):
    """Segments laid over an image."""

    def test_brings_missing_libraries_only(self) -> None:
        """Libraries of the image stay there; others come along; unknown ones are errors."""
        (self.scratch / "manifest.json").write_text(json.dumps({"libraries": ["libc.so.6"]}))
        overlay = Overlay(self.scratch)
        overlay.add_program(Path("/bin/ls"))
        names = [Path(name).name for name in read_cpio(overlay.finish())]
        self.assertIn("ls", names)
        self.assertIn("libselinux.so.1", names)
        self.assertNotIn("libc.so.6", names)
        broken = self.scratch / "broken"
        broken.write_bytes(Path("/bin/ls").read_bytes().replace(b"libselinux.so.1", b"libnowhere.so.1"))
        with self.assertRaises(OverlayError):
            Overlay(self.scratch).add_program(broken)


if __name__ == "__main__":
    unittest.main()
