# SPDX-License-Identifier: MIT
"""Tests how the package list is read and compared with what dpkg reports."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import paths
from install_packages import SetupError, parse_installed, read_list


class PackageList(unittest.TestCase):
    """The file of package names."""

    def read(self, text: str) -> list[str]:
        """Reads a list with this text."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "packages.txt"
            path.write_text(text, encoding="utf-8")
            return read_list(path)

    def test_comments_blanks_and_repeats(self) -> None:
        self.assertEqual(self.read("# a list\n\ng++-12 # compiler\nmake\nmake\n"), ["g++-12", "make"])

    def test_refuses_what_is_no_package_name(self) -> None:
        for text in ("two words\n", "name;rm\n", "--option=x\n"):
            with self.assertRaises(SetupError) as caught:
                self.read(text)
            self.assertEqual(caught.exception.code, 2)

    def test_missing_list_is_a_usage_error(self) -> None:
        with self.assertRaises(SetupError) as caught:
            read_list(Path("no/such/list"))
        self.assertEqual(caught.exception.code, 2)

    def test_the_list_of_the_tree_is_well_formed(self) -> None:
        self.assertIn("libxen-dev", read_list(paths.ROOT / ".ci" / "packages.txt"))


class Installed(unittest.TestCase):
    """dpkg's answer."""

    def test_only_installed_packages_and_what_they_provide(self) -> None:
        output = (
            "install ok installed\tmake\t\n"
            "deinstall ok config-files\tgone\t\n"
            "install ok installed\tmawk\tawk\n"
            "install ok installed\tlibfoo\tfoo (= 1.2), libbar-dev\n"
        )
        self.assertEqual(parse_installed(output), {"make", "mawk", "awk", "libfoo", "foo", "libbar-dev"})


if __name__ == "__main__":
    unittest.main()
