#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the hypercall reference from the rows of hypercalls/table."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

CALL = re.compile(r'HV_HYPERCALL\((\d+), (\w+), (\w+), "(.*)"\)')
OPERATION = re.compile(r'HV_SUBOP\((\w+), (\d+), (\w+), (\w+), (\w+), (\w+), (\w+), \(([^)]*)\),\s*"(.*)"\)')
DIRECTIONS = {"None": "nothing", "In": "in", "Out": "out", "InOut": "in, out", "InOutAlways": "in, out with errors, too", "Raw": "address"}

HEAD = """# Hypercalls

Generated from `hypercalls/table/*.def` by `hypercalls/gen/reference.py`; do not edit.

Structures, numbers and flags are those of the public Xen 4.17 headers (package `libxen-dev`), but for `tessera_op`
(`hypercalls/abi/tessera.hpp`). Arguments go in rdi, rsi, rdx, r10, r8, the number in rax, the result comes back in rax:
negative values are error numbers. A call marked *restarts* may return to the guest before it is done, with the
instruction pointer back on its SYSCALL; the guest notices nothing. *control* means the control domain alone (EPERM).
"""


def logical_lines(path: Path) -> list[str]:
    """The rows of a table file; a row may go over several lines."""
    rows: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("HV_"):
            rows.append(line)
        elif rows and line.startswith((" ", "\t")):
            rows[-1] += " " + line.strip()
    return rows


def group_section(path: Path) -> list[str]:
    """The table of one group's operations."""
    lines = [f"\n## {path.stem}\n", "| nr | operation | argument | who | restarts | errors | |", "|---|---|---|---|---|---|---|"]
    for row in logical_lines(path):
        match = OPERATION.match(row)
        if not match:
            raise ValueError(f"{path}: cannot read the row: {row}")
        _, number, name, _, direction, privilege, preempt, errors, doc = match.groups()
        who = "control" if privilege == "Control" else "any"
        restarts = "yes" if preempt == "Preempt" else ""
        lines.append(f"| {number} | {name} | {DIRECTIONS[direction]} | {who} | {restarts} | {errors} | {doc} |")
    return lines


def reference(tables: Path) -> str:
    """The whole document."""
    lines = [HEAD, "| nr | call | |", "|---|---|---|"]
    calls = [CALL.match(row) for row in logical_lines(tables / "hypercalls.def")]
    for match in sorted((call for call in calls if call), key=lambda call: int(call[1])):
        lines.append(f"| {match[1]} | {match[2]} | {match[4]} |")
    for path in sorted(tables.glob("*.def")):
        if path.stem not in ("hypercalls", "groups", "all"):
            lines += group_section(path)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=Path, default=Path(__file__).resolve().parent.parent / "table")
    parser.add_argument("--output", type=Path, help="default: standard output")
    arguments = parser.parse_args()
    text = reference(arguments.tables)
    if arguments.output:
        arguments.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
