# SPDX-License-Identifier: MIT
"""The series: how it is read, and how well each patch is said to fit a tree."""

from __future__ import annotations

import unittest
from pathlib import Path

from fake_kernel import MAIN, KitTest
from kernelkit.errors import ExitCode, KitError
from kernelkit.series import Fit, apply_series, read_series, try_patch


class Series(KitTest):
    """A toy tree and patches against it."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = self.fake.root / "source" / "linux-toy"
        self.main = self.tree / "kernel" / "main.c"
        self.patches = self.fake.kit / "patches"
        self.fake.add_patch("0001-first.patch", "int value_20 = 20;", "int value_20 = 21;")

    def test_reads_names_comments_and_options(self) -> None:
        (self.patches / "series").write_text("# c\n\n0001-first.patch -p1 # why\n", encoding="utf-8")
        self.assertEqual([patch.name for patch in read_series(self.patches)], ["0001-first.patch"])
        self.assertEqual(read_series(self.patches)[0].files(), ["kernel/main.c"])

    def test_refuses_missing_and_repeated_patches_and_other_strip_levels(self) -> None:
        for text, said, code in (("gone.patch\n", "gone.patch does not exist", ExitCode.NOT_FOUND),
                                 ("0001-first.patch\n0001-first.patch\n", "named twice", ExitCode.CONFIGURATION),
                                 ("0001-first.patch -p0\n", "only -p1", ExitCode.CONFIGURATION)):
            (self.patches / "series").write_text(text, encoding="utf-8")
            with self.subTest(text=text), self.assertRaisesRegex(KitError, said) as caught:
                read_series(self.patches)
            self.assertEqual(caught.exception.code, code)

    def test_knows_by_how_much_a_patch_makes_its_files_larger(self) -> None:
        text = "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n-one\n+--- three\n++++ four\n two\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n--- five\n+six\n"
        (self.patches / "0001-first.patch").write_text(text, encoding="utf-8")
        self.assertEqual(read_series(self.patches)[0].growth(), len("--- three\n+++ four\nsix\n") - len("one\n-- five\n"))

    def test_clean_patch_applies(self) -> None:
        self.assertEqual(try_patch(self.tree, read_series(self.patches)[0]).fit, Fit.CLEAN)
        self.assertIn("int value_20 = 21;", self.main.read_text(encoding="utf-8"))

    def test_moved_patch_applies_with_offsets(self) -> None:
        self.main.write_text("\n" * 5 + MAIN, encoding="utf-8")
        self.assertEqual(try_patch(self.tree, read_series(self.patches)[0]).fit, Fit.MOVED)

    def test_fuzzy_patch_is_told_apart(self) -> None:
        self.main.write_text(MAIN.replace("int value_17 = 17;", "int other = 17;"), encoding="utf-8")
        self.assertEqual(try_patch(self.tree, read_series(self.patches)[0]).fit, Fit.FUZZY)

    def test_patch_that_is_in_the_source_is_told_apart(self) -> None:
        self.main.write_text(MAIN.replace("int value_20 = 20;", "int value_20 = 21;"), encoding="utf-8")
        self.assertEqual(try_patch(self.tree, read_series(self.patches)[0]).fit, Fit.PRESENT)

    def test_conflict_leaves_the_tree_alone(self) -> None:
        changed = MAIN.replace("int value_20 = 20;", "int value_20 = 99;")
        self.main.write_text(changed, encoding="utf-8")
        self.assertEqual(try_patch(self.tree, read_series(self.patches)[0]).fit, Fit.CONFLICT)
        self.assertEqual(self.main.read_text(encoding="utf-8"), changed)
        self.assertEqual(sorted(path.name for path in self.main.parent.iterdir()), ["main.c"])

    def test_series_stops_at_the_first_misfit_and_names_it(self) -> None:
        self.fake.add_patch("0002-second.patch", "int value_30 = 30;", "int value_30 = 31;")
        self.main.write_text(MAIN.replace("int value_30 = 30;", "int value_30 = 99;"), encoding="utf-8")
        with self.assertRaisesRegex(KitError, "patch 0002-second.patch does not apply .*made for 1-1, source is 2-1") as caught:
            apply_series(self.tree, read_series(self.patches), "1-1", "2-1")
        self.assertIn("rebase", caught.exception.hint)

    def test_series_refuses_fuzz(self) -> None:
        self.main.write_text(MAIN.replace("int value_17 = 17;", "int other = 17;"), encoding="utf-8")
        with self.assertRaisesRegex(KitError, "0001-first.patch applies with fuzz"):
            apply_series(self.tree, read_series(self.patches), "1-1", "2-1")


if __name__ == "__main__":
    unittest.main()
