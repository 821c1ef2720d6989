# SPDX-License-Identifier: MIT
"""Tests the header that comes of a configuration."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import paths
from genconfig import ConfigError, Option, constant_name, declaration, parse_config, parse_kconfig, render

KCONFIG = '''
config FAST
\tbool "Be fast"
\tdefault y
\thelp
\t  Not a type line:
\t  int "no"

choice
\tprompt "Colour"
config RED
\tbool "Red"
config BLUE
\tbool "Blue"
endchoice

config MAX_CPUS
\tint "CPUs at most"
\trange 1 256

config SERIAL_BASE
\thex "Port"

config NAME
\tstring "Name"
'''


class Genconfig(unittest.TestCase):
    """Parsing, spelling and values."""

    def test_finds_every_option_and_its_type(self) -> None:
        found = [(option.name, option.kind) for option in parse_kconfig(KCONFIG)]
        expected = [("FAST", "bool"), ("RED", "bool"), ("BLUE", "bool"), ("MAX_CPUS", "int"), ("SERIAL_BASE", "hex"), ("NAME", "string")]
        self.assertEqual(found, expected)

    def test_names(self) -> None:
        self.assertEqual(constant_name("MAX_CPUS"), "kMaxCpus")
        self.assertEqual(constant_name("DOM0_MEMORY_MIB"), "kDom0MemoryMib")

    def test_values_that_are_set_and_not_set(self) -> None:
        self.assertEqual(declaration(Option("A", "bool", ""), "y"), "inline constexpr bool kA = true;")
        self.assertEqual(declaration(Option("A", "bool", ""), None), "inline constexpr bool kA = false;")
        self.assertEqual(declaration(Option("A", "int", ""), "64"), "inline constexpr std::uint32_t kA = 64;")
        self.assertEqual(declaration(Option("A", "hex", ""), "0x3F8"), "inline constexpr std::uint64_t kA = 0x3f8;")
        self.assertEqual(declaration(Option("A", "string", ""), '"x y"'), 'inline constexpr char kA[] = "x y";')

    def test_refuses_bad_values(self) -> None:
        with self.assertRaises(ConfigError):
            declaration(Option("A", "int", ""), "-1")
        with self.assertRaises(ConfigError):
            declaration(Option("A", "int", ""), str(2**32))
        with self.assertRaisesRegex(ConfigError, "CONSOLE_RING_KIB=100"):
            render([Option("CONSOLE_RING_KIB", "int", "")], {"CONSOLE_RING_KIB": "100"})
        with self.assertRaisesRegex(ConfigError, "GONE"):
            render(parse_kconfig(KCONFIG), {"GONE": "y"})

    def test_config_lines(self) -> None:
        values = parse_config('# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="x=y"\n')
        self.assertEqual(values, {"B": "y", "C": '"x=y"'})


class RealConfiguration(unittest.TestCase):
    """The options of the tree, through kconfig-frontends."""

    def make(self, folder: str, *arguments: str) -> str:
        """Runs the configuration's make fragment on a directory of its own."""
        command = ["make", "-f", "hypervisor/configs/config.mk", f"CONFIG_DIRECTORY={folder}", *arguments]
        return subprocess.run(command, cwd=paths.ROOT, check=True, capture_output=True, text=True).stdout

    def test_both_defconfigs_set_all_that_they_name(self) -> None:
        for name in ("debug_defconfig", "release_defconfig"):
            with tempfile.TemporaryDirectory() as folder:
                self.make(folder, name)
                config = (Path(folder) / ".config").read_text(encoding="utf-8").splitlines()
                wanted = (paths.ROOT / "hypervisor" / "configs" / name).read_text(encoding="utf-8").splitlines()
                for line in wanted:
                    if "CONFIG_" in line:
                        self.assertIn(line, config, name)

    def test_every_option_has_help_and_a_constant(self) -> None:
        text = (paths.ROOT / "hypervisor" / "Kconfig").read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            self.make(folder, "config")
            header = (Path(folder) / "generated" / "config.hpp").read_text(encoding="utf-8")
        options = parse_kconfig(text)
        self.assertGreater(len(options), 10)
        for option in options:
            self.assertIn(f" {constant_name(option.name)}", header)
            block = text.split(f"config {option.name}\n", 1)[1].split("\nconfig ", 1)[0]
            self.assertIn("\thelp\n", block, option.name)

    def test_header_keeps_its_time_until_a_value_changes(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.make(folder, "release_defconfig")
            header = Path(folder) / "generated" / "config.hpp"
            first = header.stat().st_mtime_ns
            time.sleep(0.01)
            self.make(folder, "release_defconfig")
            self.assertEqual(header.stat().st_mtime_ns, first)
            self.make(folder, "debug_defconfig")
            self.assertNotEqual(header.stat().st_mtime_ns, first)

    def test_command_line_reports_a_missing_file(self) -> None:
        script = paths.ROOT / "hypervisor" / "configs" / "genconfig.py"
        command = [sys.executable, str(script), "--kconfig", "none", "--config", "none", "--output", "none.hpp"]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        self.assertEqual(result.returncode, 2)
        self.assertIn("config: hint:", result.stderr)


if __name__ == "__main__":
    unittest.main()
