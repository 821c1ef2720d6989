# SPDX-License-Identifier: MIT
"""Fragments: what they may say, how they merge, and that a dropped option is named."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from kernelkit.errors import ExitCode, KitError
from kernelkit.fragments import check_took_effect, merge, read_config, read_fragment, write_merged


class Fragments(unittest.TestCase):
    """Reading, merging and checking."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def fragment(self, name: str, text: str) -> Path:
        """Writes a fragment."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def test_reads_every_form(self) -> None:
        path = self.fragment("a.config", '# comment\n\nCONFIG_A=y\nCONFIG_B=0x20\nCONFIG_C="x y"\n# CONFIG_D is not set\nCONFIG_E=-1\n')
        values = {option.name: option.value for option in read_fragment(path)}
        self.assertEqual(values, {"CONFIG_A": "y", "CONFIG_B": "0x20", "CONFIG_C": '"x y"', "CONFIG_D": "n", "CONFIG_E": "-1"})

    def test_refuses_what_is_not_an_option(self) -> None:
        for line in ("CONFIG_A", "A=y", "CONFIG_A=yes", 'CONFIG_A="x', "CONFIG_A =y"):
            with self.subTest(line=line), self.assertRaises(KitError) as caught:
                read_fragment(self.fragment("bad.config", f"CONFIG_OK=y\n{line}\n"))
            self.assertIn("bad.config:2", caught.exception.cause)
            self.assertEqual(caught.exception.code, ExitCode.CONFIGURATION)

    def test_refuses_an_option_set_twice(self) -> None:
        with self.assertRaisesRegex(KitError, "a.config:2: CONFIG_A is set twice"):
            read_fragment(self.fragment("a.config", "CONFIG_A=y\nCONFIG_A=n\n"))

    def test_later_fragment_wins(self) -> None:
        options = merge([self.fragment("a.config", "CONFIG_A=y\nCONFIG_B=y\n"), self.fragment("b.config", "CONFIG_A=n\n")])
        self.assertEqual((options["CONFIG_A"].value, options["CONFIG_A"].place), ("n", "b.config:1"))
        self.assertEqual(options["CONFIG_B"].value, "y")

    def test_missing_fragment_is_named(self) -> None:
        with self.assertRaisesRegex(KitError, "gone.config does not exist"):
            merge([self.directory / "gone.config"])

    def test_dropped_and_changed_options_are_named(self) -> None:
        options = merge([self.fragment("a.config", "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=n\n")])
        final = read_config(self.fragment("final", "CONFIG_B=m\nCONFIG_C=y\n# CONFIG_D is not set\n"))
        with self.assertRaises(KitError) as caught:
            check_took_effect(options, final)
        said = caught.exception.cause
        self.assertIn("a.config:1: CONFIG_A=y was asked for, the configuration has n", said)
        self.assertIn("a.config:2: CONFIG_B=y was asked for, the configuration has m", said)
        self.assertIn("a.config:3: CONFIG_C=n was asked for, the configuration has y", said)
        self.assertNotIn("CONFIG_D", said)

    def test_merged_file_is_what_kconfig_reads(self) -> None:
        path = self.directory / "merged"
        write_merged(merge([self.fragment("a.config", "# CONFIG_D is not set\nCONFIG_A=y\n")]), path)
        self.assertEqual(path.read_text(encoding="utf-8"), "CONFIG_D=n\nCONFIG_A=y\n")


class ShippedFragments(unittest.TestCase):
    """The kit's own fragments."""

    def test_all_flavours_merge(self) -> None:
        from kernelkit.flavour import FRAGMENTS

        configs = Path(__file__).resolve().parents[3] / "guest-linux-patches" / "configs"
        for flavour, names in FRAGMENTS.items():
            with self.subTest(flavour=flavour):
                options = merge([configs / name for name in names])
                self.assertEqual(options["CONFIG_XEN_PV"].value, "y")


if __name__ == "__main__":
    unittest.main()
