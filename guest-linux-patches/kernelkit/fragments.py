# SPDX-License-Identifier: MIT
"""Merges configuration fragments and checks that each option they ask for is in the final configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import ExitCode, KitError, configuration_file

_ASSIGNMENT = re.compile(r'^(CONFIG_\w+)=([ymn]|-?\d+|0x[0-9a-fA-F]+|"(?:[^"\\]|\\.)*")$')
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")


@dataclass(frozen=True)
class Option:
    """One requested option and where it was requested."""

    name: str
    value: str
    place: str


def read_fragment(path: Path) -> list[Option]:
    """Reads one fragment: `CONFIG_X=value`, `# CONFIG_X is not set`, comments and blank lines."""
    with configuration_file(f"configuration fragment {path.name}"):
        lines = path.read_text(encoding="utf-8").splitlines()
    options: list[Option] = []
    for number, raw in enumerate(lines, 1):
        line, place = raw.strip(), f"{path.name}:{number}"
        if match := _ASSIGNMENT.match(line):
            option = Option(match[1], match[2], place)
        elif match := _UNSET.match(line):
            option = Option(match[1], "n", place)
        elif line.startswith("#") or not line:
            continue
        else:
            raise KitError(f"{place}: not an option: {line}", "write CONFIG_NAME=value", ExitCode.CONFIGURATION)
        if any(known.name == option.name for known in options):
            raise KitError(f"{place}: {option.name} is set twice in this fragment", "remove one of the lines", ExitCode.CONFIGURATION)
        options.append(option)
    return options


def merge(fragments: list[Path]) -> dict[str, Option]:
    """Merges fragments in order; a later one overrides an earlier one."""
    merged: dict[str, Option] = {}
    for fragment in fragments:
        merged.update((option.name, option) for option in read_fragment(fragment))
    return merged


def write_merged(options: dict[str, Option], path: Path) -> None:
    """Writes the merged options in the form that `KCONFIG_ALLCONFIG` takes."""
    path.write_text("".join(f"{option.name}={option.value}\n" for option in options.values()), encoding="utf-8")


def read_config(path: Path) -> dict[str, str]:
    """Reads a final `.config`; an option that is absent or not set is simply not in the result."""
    values: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"^(CONFIG_\w+)=(.*)$", line):
            values[match[1]] = match[2]
    return values


def dropped_options(options: dict[str, Option], final: dict[str, str]) -> list[str]:
    """Describes every requested option that the final configuration does not have."""
    problems = []
    for option in options.values():
        got = final.get(option.name, "n")
        if got != option.value:
            problems.append(f"{option.place}: {option.name}={option.value} was asked for, the configuration has {got}")
    return problems


def check_took_effect(options: dict[str, Option], final: dict[str, str]) -> None:
    """Fails with every option that Kconfig dropped or changed."""
    if problems := dropped_options(options, final):
        raise KitError("Kconfig did not take these options:\n" + "\n".join(f"    {line}" for line in problems),
                       "an option may be misspelt, need another one first, or be forced by one (`make menuconfig` in the source, `/` searches)",
                       ExitCode.CONFIGURATION)
