# SPDX-License-Identifier: MIT
"""Reads how many tests ran, passed and failed out of what the usual test runners print."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CLOSING = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
_GTEST_RAN = re.compile(r"^\[=+\] (\d+) tests? from \d+ test (?:suites?|cases?) ran\.")
_GTEST_PASSED = re.compile(r"^\[  PASSED  \] (\d+) tests?\.")
_GTEST_SKIPPED = re.compile(r"^\[  SKIPPED \] (\d+) tests?[.,]")
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ")
_UNITTEST_FAILED = re.compile(r"^FAILED \((.*)\)$")
_UNITTEST_OK = re.compile(r"^OK(?: \((.*)\))?$")
_CUNIT_TESTS = re.compile(r"^\s+tests\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$")
_MAKE_TALK = re.compile(r"^make(?:\[\d+\])?: ")
_LIBFUZZER_DONE = re.compile(r"^Done (\d+) runs? in \d+ second")


@dataclass
class Counts:
    """Totals of a run; `passed` does not include skipped tests."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def ran(self) -> int:
        """Tests that gave a verdict."""
        return self.passed + self.failed

    def add(self, other: Counts) -> None:
        """Adds another run's totals."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def closing_line(self) -> str:
        """The line that a test command ends with."""
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def _named_count(text: str | None, *names: str) -> int:
    """Sums the `name=N` items of a unittest verdict that have one of the names."""
    items = re.findall(r"([a-z ]+)=(\d+)", text or "")
    return sum(int(number) for name, number in items if name.strip() in names)


def _count_line(line: str, counts: Counts) -> None:
    """Adds what one line of output says to the totals."""
    if match := _CLOSING.match(line):
        counts.add(Counts(int(match[1]), int(match[2]), int(match[3] or 0)))
    elif match := _GTEST_RAN.match(line):
        # The brief form never says how many failed: those that are neither passed nor skipped.
        counts.failed += int(match[1])
    elif match := _GTEST_PASSED.match(line):
        counts.add(Counts(int(match[1]), -int(match[1])))
    elif match := _GTEST_SKIPPED.match(line):
        counts.add(Counts(0, -int(match[1]), int(match[1])))
    elif match := _UNITTEST_RAN.match(line):
        counts.passed += int(match[1])
    elif match := _UNITTEST_FAILED.match(line) or _UNITTEST_OK.match(line):
        failed = _named_count(match[1], "failures", "errors", "unexpected successes")
        skipped = _named_count(match[1], "skipped")
        counts.add(Counts(-failed - skipped, failed, skipped))
    elif match := _CUNIT_TESTS.match(line):
        counts.add(Counts(int(match[3]), int(match[4])))
    elif (match := _LIBFUZZER_DONE.match(line)) and int(match[1]) > 0:
        counts.passed += 1


def count_tests(output: str) -> Counts:
    """Returns the totals of a part's output.

    A part whose last line is `N passed, N failed` is counted by that line alone, since it sums up what stands above it;
    of any other part the summaries of all runners are added up.
    """
    lines = [line.rstrip() for line in _COLOUR.sub("", output).splitlines()]
    lines = [line for line in lines if line and not _MAKE_TALK.match(line)]
    counts = Counts()
    if lines and _CLOSING.match(lines[-1]):
        _count_line(lines[-1], counts)
        return counts
    for line in lines:
        _count_line(line, counts)
    counts.passed = max(counts.passed, 0)
    return counts
