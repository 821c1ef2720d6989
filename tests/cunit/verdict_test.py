#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the sample programs of both CUnit libraries and compares their ends with what each program deserves."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

LIBRARIES = ("libcunit", "replacement")
# Sample, exit code, and a text that the failing program has to print so that it fails for the right reason.
SAMPLES = (
    ("good", 0, ""),
    ("no-suite", 1, "0 tests ran"),
    ("no-test", 1, "0 tests ran"),
    ("failing-set-up", 1, "1 suites failed"),
    ("only-failing-set-up", 1, "1 suites failed"),
    ("failing-clean-up", 1, "1 suites failed"),
    ("failing-assertion", 1, "2 tests ran, 1 failed"),
    ("failing-fatal-assertion", 1, "2 tests ran, 1 failed"),
    ("inactive", 1, "1 failure records"),
)
# With the replacement even a program that asks only CU_get_error() tells the truth.
CARELESS_SAMPLES = tuple((name, code, "") for name, code, _ in SAMPLES)


def check(program: Path, arguments: list[str], expected: int, text: str) -> str:
    """Runs a sample; returns what is wrong with its end, or an empty string."""
    result = subprocess.run([str(program), *arguments], check=False, capture_output=True, text=True, timeout=30)
    if result.returncode != expected:
        return f"exit code {result.returncode}, expected {expected}\n{result.stdout}{result.stderr}"
    if not arguments and " passed, 0 failed" not in result.stdout.splitlines()[-1]:
        return f"no good closing line:\n{result.stdout}"
    if text not in result.stderr:
        return f"no {text!r} in: {result.stderr}"
    return ""


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the programs are")
    folder = parser.parse_args().folder
    cases = [(folder / f"interface-{library}", [], 0, "") for library in LIBRARIES]
    cases += [(folder / f"sample-{library}", [name], code, text) for library in LIBRARIES for name, code, text in SAMPLES]
    cases += [(folder / "sample-replacement", [name, "--careless"], code, text) for name, code, text in CARELESS_SAMPLES]
    failed = 0
    for program, words, code, text in cases:
        problem = check(program, words, code, text)
        failed += bool(problem)
        print(f"{'FAIL' if problem else 'ok  '} {program.name} {' '.join(words)}" + (f": {problem}" if problem else ""))
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
