# SPDX-License-Identifier: MIT
"""The kit's own series: every patch says what, why, how it was measured with figures, its upstream status and the test that needs it."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from kernelkit.series import Patch, read_series

KIT = Path(__file__).resolve().parents[3] / "guest-linux-patches"


def header(patch: Patch) -> str:
    """What stands before the first difference."""
    return re.split(r"^---", patch.path.read_text(encoding="utf-8"), maxsplit=1, flags=re.M)[0]


def section(text: str, name: str) -> str:
    """The paragraph that begins with `name:`, or an empty string."""
    found = re.search(rf"^{name}:(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    return " ".join(found[1].split()) if found else ""


class Patches(unittest.TestCase):
    """Headers of all patches."""

    def test_every_patch_file_is_in_the_series(self) -> None:
        names = [patch.name for patch in read_series(KIT / "patches")]
        self.assertEqual(names, sorted(path.name for path in (KIT / "patches").glob("*.patch")))

    def test_headers_are_complete(self) -> None:
        for patch in read_series(KIT / "patches"):
            text = header(patch)
            with self.subTest(patch=patch.name):
                self.assertRegex(text, r"\AFrom: .+\nSubject: \[PATCH\] [\w/]+: .+\n\n")
                self.assertRegex(text, r"\nSigned-off-by: ")
                body = text.split("\n\n", 1)[1].split("\nMeasured:")[0]
                self.assertGreater(len(body.split()), 30, "what it does and why")
                self.assertRegex(section(text, "Upstream"), r"\w")
                self.assertRegex(section(text, "Test"), r"make [\w-]+")

    def test_measurements_have_figures_and_the_command(self) -> None:
        for patch in read_series(KIT / "patches"):
            text = section(header(patch), "Measured")
            with self.subTest(patch=patch.name):
                self.assertGreaterEqual(len(re.findall(r"(?<![\w./-])\d[\d ]*(?:\.\d+)?(?![\w.]*\.py)", text)), 2, text)
                self.assertRegex(text, r"\w+\.py")


if __name__ == "__main__":
    unittest.main()
