# SPDX-License-Identifier: MIT
"""The builder on a disk that is full, or gets full at any of its steps: a small file system of its own shows it."""

from __future__ import annotations

import os
import random
import subprocess
import unittest
from pathlib import Path

from fake_kernel import MAIN, KitTest

# Mounts a file system of $1 KiB, $2 of them in use, on $3; runs the rest of the words, lists what is left there, and ends as they did.
ON_SMALL_DISK = """
size=$1 used=$2 place=$3
shift 3
mount -t tmpfs -o "size=${size}k" small "$place" || exit 99
trap 'umount -l "$place"' EXIT
head -c "$((used * 1024))" /dev/zero >"$place/used" || exit 99
"$@"
code=$?
find "$place" -name '.scratch-*' -o -name '.micro-*' -type d | sed 's/^/LEFT /'
[ ! -e "$place/micro" ] || echo 'HAS micro'
exit $code
"""


class FullDisk(KitTest):
    """A kernel of some 400 KiB, which no compressor makes smaller."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.add_patch("0001-first.patch", "int value_20 = 20;", "int value_20 = 21;")
        self.fake.pack_source(MAIN + "// " + random.Random(1).randbytes(200_000).hex() + "\n")

    def build(self, size_kib: int, place: Path, *words: str, used_kib: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs the builder with `place` on a disk of that size. Who is not root mounts it in a name space of its own; root needs none,
        and would not get one in a chroot."""
        place.mkdir(parents=True, exist_ok=True)
        name_space = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        command = [*name_space, "sh", "-c", ON_SMALL_DISK, "sh", str(size_kib), str(used_kib), str(place)]
        result = subprocess.run([*command, *self.fake.command(*words)], env=self.fake.environment(), capture_output=True, text=True,
                                check=False, timeout=120)
        self.assertNotEqual(result.returncode, 99, result.stderr)
        self.assertNotIn("LEFT", result.stdout)
        self.assertNotIn("Traceback", result.stderr)
        return result

    def test_too_small_a_cache_is_refused_before_anything_is_unpacked(self) -> None:
        result = self.build(1024, self.fake.cache)
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertRegex(result.stderr, r"/cache/guest-kernel has \d MiB free, a build needs 4096 MiB")
        self.assertNotIn("unpacking", result.stderr)

    def test_cache_that_fills_up_at_any_step_leaves_nothing(self) -> None:
        steps = set()
        for size_kib in range(160, 4096, 160):
            result = self.build(size_kib, self.fake.cache, "--needed-mib", "0")
            if result.returncode == 0:
                break
            self.assertEqual(result.returncode, 6, f"{size_kib} KiB: {result.stderr}")
            self.assertRegex(result.stderr, "No space left on device|the disk is full")
            self.assertIn("TESSERA_CACHE", result.stderr)
            self.assertFalse((self.fake.output / "micro").exists())
            steps.update(step for step in ("unpacking", "applying", "compiling", "result/") if step in result.stderr.split("guest-kernel: error: ")[1])
        else:
            self.fail(f"it never succeeded: {result.stderr}")
        self.assertTrue((self.fake.output / "micro" / "SHA256SUMS").is_file())
        self.assertEqual(steps, {"unpacking", "applying", "compiling", "result/"})

    def test_output_that_fills_up_keeps_the_old_artefacts(self) -> None:
        self.assertEqual(self.fake.run().returncode, 0)
        for size_kib in (64, 300, 600):
            result = self.build(size_kib, self.fake.output, "--output", str(self.fake.output))
            self.assertEqual(result.returncode, 6, result.stderr)
            self.assertIn(f"{self.fake.output / 'micro'} cannot be written: No space left on device", result.stderr)
            self.assertNotIn("HAS", result.stdout)

    def test_log_that_cannot_be_written_is_named(self) -> None:
        result = self.build(64, self.fake.output.parent / "logs", used_kib=64)
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertIn("guest-kernel-micro.log cannot be written: No space left on device", result.stderr)
        self.assertFalse((self.fake.output / "micro").exists())


if __name__ == "__main__":
    unittest.main()
