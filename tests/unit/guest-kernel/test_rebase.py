# SPDX-License-Identifier: MIT
"""The rebase report: every patch gets a line, and refreshing keeps headers."""

from __future__ import annotations

import json
import subprocess
import unittest
from pathlib import Path

from fake_kernel import MAIN, KitTest

PROGRAM = Path(__file__).resolve().parents[3] / "guest-linux-patches" / "rebase_guest_kernel.py"


class Rebase(KitTest):
    """Three patches against a source that changed."""

    def setUp(self) -> None:
        super().setUp()
        for number in (10, 20, 30):
            self.fake.add_patch(f"p{number}.patch", f"int value_{number} = {number};", f"int value_{number} = -1;")

    def rebase(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the program."""
        return subprocess.run(["python3", str(PROGRAM), "--kit", str(self.fake.kit), *words], env=self.fake.environment(),
                              capture_output=True, text=True, check=False, timeout=60)

    def test_unchanged_source_fits(self) -> None:
        result = self.rebase()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count("ok "), 3)
        self.assertIn("this is the source that the series was made for", result.stdout)
        self.assertEqual(self.fake.leftovers(), [])

    def test_conflict_does_not_hide_the_patches_behind_it(self) -> None:
        self.fake.pack_source(MAIN.replace("int value_20 = 20;", "int value_20 = 99;"), pin=False)
        result = self.rebase()
        self.assertEqual(result.returncode, 1)
        self.assertIn("ok  p10.patch: applies", result.stdout)
        self.assertIn("BAD p20.patch: does not apply", result.stdout)
        self.assertIn("ok  p30.patch: applies", result.stdout)
        self.assertIn("1 of the series need work; this is not the source of 1-1", result.stdout)

    def test_merged_patch_is_told_apart(self) -> None:
        self.fake.pack_source(MAIN.replace("int value_10 = 10;", "int value_10 = -1;"), pin=False)
        self.assertIn("BAD p10.patch: is already in the source", self.rebase().stdout)

    def test_write_refreshes_moved_patches_and_the_pin(self) -> None:
        self.fake.pack_source("int before;\n" * 7 + MAIN, pin=False)
        self.assertEqual(self.rebase("--write").stdout.count("applies with offsets"), 3)
        text = (self.fake.kit / "patches" / "p20.patch").read_text(encoding="utf-8")
        self.assertTrue(text.startswith("Subject: p20.patch\n"), text)
        self.assertIn("@@ -25,7 +25,7 @@", text)
        again = self.rebase()
        self.assertEqual(again.returncode, 0)
        self.assertEqual(again.stdout.count(": applies\n"), 3)
        self.assertIn("this is the source that the series was made for", again.stdout)
        self.assertNotEqual(json.loads((self.fake.kit / "source.json").read_text(encoding="utf-8"))["sha256"], "")


if __name__ == "__main__":
    unittest.main()
