# SPDX-License-Identifier: MIT
"""The builder from end to end on a toy kernel: artefacts, cache, reproducibility, and every way it can fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
import time
import unittest
from pathlib import Path

from fake_kernel import MAIN, KitTest
from kernelkit.build import Workshop, obtain
from kernelkit.errors import ExitCode, KitError
from kernelkit.flavour import gather
from kernelkit.source import find_source, read_pin

ARTEFACTS = {"vmlinuz", "vmlinux", "config", "System.map", "modules.tar", "sbom.json", "SHA256SUMS"}


class Builder(KitTest):
    """Each test has a kit, a cache and an output directory of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.micro = self.fake.output / "micro"

    def contents(self, directory: Path) -> dict[str, bytes]:
        """All files of a directory."""
        return {path.name: path.read_bytes() for path in directory.iterdir()}

    def refuse(self, code: int, *said: str, words: tuple[str, ...] = (), **extra: str) -> str:
        """Runs the builder, which must fail with this code and these words and leave nothing behind."""
        result = self.fake.run(*words, **extra)
        self.assertEqual(result.returncode, code, result.stderr)
        for text in said:
            self.assertIn(text, result.stderr)
        self.assertEqual(self.fake.leftovers(), [])
        return result.stderr

    def test_publishes_all_artefacts_with_right_sums(self) -> None:
        result = self.fake.run()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.strip(), str(self.micro))
        self.assertEqual(set(self.contents(self.micro)), ARTEFACTS)
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=self.micro, check=True)
        self.assertEqual((self.micro / "config").read_text(encoding="utf-8"), "CONFIG_NUMBER=32\nCONFIG_XEN=y\n")
        self.assertEqual(self.fake.leftovers(), [])

    def test_patches_reach_the_kernel_and_the_bill_of_materials(self) -> None:
        self.fake.add_patch("0001-first.patch", "int value_20 = 20;", "int value_20 = 21;")
        self.assertEqual(self.fake.run().returncode, 0)
        self.assertIn(b"int value_20 = 21;", (self.micro / "vmlinux").read_bytes())
        bill = json.loads((self.micro / "sbom.json").read_text(encoding="utf-8"))
        self.assertIn("./patches/0001-first.patch", [entry["fileName"] for entry in bill["files"]])
        self.assertEqual(self.fake.run("--unpatched").returncode, 0)
        self.assertIn(b"int value_20 = 20;", (self.fake.output / "micro-unpatched" / "vmlinux").read_bytes())
        self.assertIn(b"int value_20 = 21;", (self.micro / "vmlinux").read_bytes())

    def test_server_has_modules_without_links_to_the_source(self) -> None:
        self.assertEqual(self.fake.run("--flavour", "server").returncode, 0)
        with tarfile.open(self.fake.output / "server" / "modules.tar") as archive:
            names = archive.getnames()
        self.assertIn("lib/modules/6.1.0/toy.ko", names)
        self.assertNotIn("lib/modules/6.1.0/build", names)

    def test_micro_has_an_empty_module_archive(self) -> None:
        self.assertEqual(self.fake.run().returncode, 0)
        with tarfile.open(self.micro / "modules.tar") as archive:
            self.assertEqual(archive.getnames(), [])

    def test_two_builds_are_bit_identical(self) -> None:
        self.assertEqual(self.fake.run("--flavour", "server").returncode, 0)
        first = self.contents(self.fake.output / "server")
        self.assertEqual(self.fake.run("--flavour", "server", "--rebuild").returncode, 0)
        self.assertEqual(first, self.contents(self.fake.output / "server"))

    def test_compiles_through_ccache_unless_told_otherwise(self) -> None:
        tools = self.fake.root / "tools"
        tools.mkdir()
        (tools / "ccache").symlink_to("/bin/true")
        path = f"{tools}:{os.environ['PATH']}"
        self.assertEqual(self.fake.run(PATH=path).returncode, 0)
        self.assertEqual(self.fake.compiler(), "ccache gcc")
        self.assertEqual(self.fake.run("--rebuild", "--without-ccache", PATH=path).returncode, 0)
        self.assertEqual(self.fake.compiler(), "gcc")

    def test_disk_that_is_too_full_is_told_before_anything_is_unpacked(self) -> None:
        source = find_source(read_pin(self.fake.kit / "source.json"), None)
        inputs = gather(self.fake.kit, "micro", source, with_patches=True)
        cache = self.fake.cache / "guest-kernel"
        with self.assertRaises(KitError) as raised:
            obtain(inputs, Workshop(cache, 1, self.fake.root / "log", needed_bytes=1 << 62))
        self.assertEqual(raised.exception.code, ExitCode.NO_RESOURCES)
        self.assertIn("MiB free, a build needs", raised.exception.cause)
        self.assertEqual(self.fake.leftovers(), [])

    def test_same_inputs_come_from_the_cache_and_new_ones_do_not(self) -> None:
        self.assertNotIn("taken from the cache", self.fake.run().stderr)
        self.assertIn("taken from the cache", self.fake.run().stderr)
        config = self.fake.kit / "configs" / "micro.config"
        config.write_text(config.read_text(encoding="utf-8").replace("32", "33"), encoding="utf-8")
        self.assertNotIn("taken from the cache", self.fake.run().stderr)
        self.assertIn("CONFIG_NUMBER=33", (self.micro / "config").read_text(encoding="utf-8"))

    def test_damaged_cache_entry_is_built_again(self) -> None:
        self.fake.run()
        entry = next((self.fake.cache / "guest-kernel").glob("micro-*"))
        (entry / "vmlinuz").write_bytes(b"damaged")
        result = self.fake.run()
        self.assertNotIn("taken from the cache", result.stderr)
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=self.micro, check=True)

    def test_damaged_output_is_put_right(self) -> None:
        self.fake.run()
        good = self.contents(self.micro)
        (self.micro / "vmlinuz").write_bytes(b"damaged")
        (self.micro / "stray").write_bytes(b"")
        self.assertEqual(self.fake.run().returncode, 0)
        self.assertEqual(self.contents(self.micro), good)

    def test_missing_source_package(self) -> None:
        (self.fake.root / "linux-toy.tar.xz").unlink()
        self.refuse(3, "linux-toy.tar.xz does not exist", "apt-get install linux-toy")

    def test_damaged_source_package(self) -> None:
        tarball = self.fake.root / "linux-toy.tar.xz"
        tarball.write_bytes(tarball.read_bytes()[:200])
        self.refuse(1, "unpacking the kernel source failed", "reinstall linux-toy")
        self.assertFalse(self.micro.exists())

    def test_patch_that_does_not_apply_keeps_the_old_artefacts(self) -> None:
        self.fake.run()
        good = self.contents(self.micro)
        self.fake.add_patch("0001-first.patch", "int value_20 = 20;", "int value_20 = 21;")
        self.fake.pack_source(MAIN.replace("int value_20 = 20;", "int value_20 = 99;"), pin=False)
        said = self.refuse(1, "patch 0001-first.patch does not apply", "series made for 1-1", "make guest-kernel-rebase")
        self.assertIn("not the one of 1-1", said)
        self.assertEqual(self.contents(self.micro), good)

    def test_dropped_option_is_named(self) -> None:
        with (self.fake.kit / "configs" / "micro.config").open("a", encoding="utf-8") as config:
            config.write("CONFIG_UNKNOWN=y\n")
        self.refuse(2, "micro.config:3: CONFIG_UNKNOWN=y was asked for, the configuration has n")
        self.assertFalse(self.micro.exists())

    def test_options_that_the_patches_bring_are_not_asked_of_the_packaged_source(self) -> None:
        self.fake.add_patch("0001-first.patch", "int value_20 = 20;", "// option CONFIG_BROUGHT")
        (self.fake.kit / "configs" / "micro-series.config").write_text("CONFIG_BROUGHT=y\n", encoding="utf-8")
        self.assertEqual(self.fake.run().returncode, 0)
        self.assertIn("CONFIG_BROUGHT=y", (self.micro / "config").read_text(encoding="utf-8"))
        self.assertEqual(self.fake.run("--unpatched").returncode, 0)
        self.assertNotIn("BROUGHT", (self.fake.output / "micro-unpatched" / "config").read_text(encoding="utf-8"))

    def test_compiler_error_is_shown(self) -> None:
        self.fake.pack_source("broken\n")
        self.refuse(1, "compiling the kernel failed", "kernel/main.c:1: error: broken", "guest-kernel-micro.log")
        self.assertFalse(self.micro.exists())

    def test_unknown_flavour_and_bad_jobs(self) -> None:
        self.refuse(2, "there is no flavour 'huge'", "micro, server", words=("--flavour", "huge"))
        self.refuse(2, "--jobs needs a positive number", words=("--jobs", "0"))

    def test_damaged_pin(self) -> None:
        (self.fake.kit / "source.json").write_text("{", encoding="utf-8")
        self.refuse(2, "source.json is damaged")

    def test_cache_that_cannot_be_written(self) -> None:
        blocked = self.fake.root / "file"
        blocked.write_text("", encoding="utf-8")
        self.refuse(6, "Not a directory", "TESSERA_CACHE", TESSERA_CACHE=str(blocked))

    def test_interrupted_build_keeps_nothing(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.fake.pack_source(MAIN, slow=True)
            process = subprocess.Popen(self.fake.command(), env=self.fake.environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                       # whoever runs the tests in the background has interrupts ignored
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            log = self.fake.output.parent / "logs" / "guest-kernel-micro.log"
            deadline = time.monotonic() + 30
            while not (log.is_file() and "CC      kernel/main.o" in log.read_text(encoding="utf-8")):
                self.assertLess(time.monotonic(), deadline, "the build never started")
                self.assertIsNone(process.poll())
                time.sleep(0.02)
            process.send_signal(number)
            _, said = process.communicate(timeout=120)
            log.unlink()
            self.assertEqual(process.returncode, 130, said)
            self.assertIn("interrupted", said)
            self.assertFalse(self.micro.exists())
            self.assertEqual(self.fake.leftovers(), [])

    def test_what_a_killed_build_left_is_removed_and_what_a_running_one_uses_is_not(self) -> None:
        self.fake.pack_source(MAIN, slow=True)
        log = self.fake.output.parent / "logs" / "guest-kernel-micro.log"
        process = subprocess.Popen(self.fake.command(), env=self.fake.environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (log.is_file() and "CC      kernel/main.o" in log.read_text(encoding="utf-8")):
            self.assertLess(time.monotonic(), deadline, "the build never started")
            time.sleep(0.02)
        running = self.fake.leftovers()
        self.assertEqual(len(running), 1)
        (self.fake.root / "source" / "linux-toy" / "slow").unlink()
        self.fake.pack_source(MAIN)
        self.assertEqual(self.fake.run("--flavour", "server").returncode, 0)
        self.assertEqual(self.fake.leftovers(), running)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        process.kill()
        process.wait(timeout=60)
        for child in children:  # each leads a group of its own, which a killed builder cannot end
            os.killpg(int(child), signal.SIGKILL)
        self.assertEqual(self.fake.leftovers(), running)
        self.assertIn("removing what a killed build left", self.fake.run("--flavour", "server", "--rebuild").stderr)
        self.assertEqual(self.fake.leftovers(), [])


if __name__ == "__main__":
    unittest.main()
