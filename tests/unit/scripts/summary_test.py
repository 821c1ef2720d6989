# SPDX-License-Identifier: MIT
"""Tests how the suite counts tests in the output of the runners."""

from __future__ import annotations

import unittest

import paths  # noqa: F401
from summary import count_tests

GTEST_GOOD = "[==========] 12 tests from 3 test suites ran. (5 ms total)\n[  PASSED  ] 12 tests.\n"
GTEST_BAD = (
    "[==========] 5 tests from 2 test suites ran. (5 ms total)\n[  PASSED  ] 2 tests.\n"
    "[  SKIPPED ] 1 test, listed below:\n[  SKIPPED ] A.b\n"
    "[  FAILED  ] 2 tests, listed below:\n[  FAILED  ] A.c\n[  FAILED  ] A.d\n\n 2 FAILED TESTS\n"
)
CUNIT = (
    "Run Summary:    Type  Total    Ran Passed Failed Inactive\n"
    "              suites      2      2    n/a      0        0\n"
    "               tests      7      7      5      2        0\n"
    "             asserts     30     30     27      3      n/a\n"
)


class CountTests(unittest.TestCase):
    """Each runner's words, alone and together."""

    def expect(self, output: str, passed: int, failed: int, skipped: int = 0) -> None:
        """Compares all three totals."""
        counts = count_tests(output)
        self.assertEqual((counts.passed, counts.failed, counts.skipped), (passed, failed, skipped))

    def test_googletest(self) -> None:
        self.expect(GTEST_GOOD, 12, 0)
        self.expect(GTEST_BAD, 2, 2, 1)
        self.expect(GTEST_GOOD + GTEST_BAD, 14, 2, 1)

    def test_brief_googletest(self) -> None:
        brief = "[  FAILED  ] A.c (0 ms)\n[==========] 5 tests from 2 test suites ran. (1 ms total)\n[  PASSED  ] 3 tests.\n"
        self.expect(brief, 3, 2)
        self.expect(brief + "[  SKIPPED ] 1 test.\n", 3, 1, 1)

    def test_coloured_googletest(self) -> None:
        self.expect("\x1b[0;32m[==========] \x1b[m1 test from 1 test suite ran. (0 ms total)\n[  PASSED  ] 1 test.\n", 1, 0)

    def test_unittest(self) -> None:
        self.expect("Ran 4 tests in 0.1s\n\nOK\n", 4, 0)
        self.expect("Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n", 5, 3, 1)
        self.expect("Ran 3 tests in 0.1s\n\nOK (skipped=2)\n", 1, 0, 2)

    def test_cunit(self) -> None:
        self.expect(CUNIT, 5, 2)

    def test_libfuzzer_counts_as_one_test_when_it_ran(self) -> None:
        self.expect("Done 4711 runs in 31 second(s)\n", 1, 0)
        self.expect("Done 0 runs in 0 second(s)\n", 0, 0)

    def test_closing_line_replaces_what_it_sums_up(self) -> None:
        self.expect(GTEST_GOOD + CUNIT + "17 passed, 2 failed\n", 17, 2)
        self.expect(GTEST_GOOD + "17 passed, 2 failed, 3 skipped\nmake: *** [x] Error 1\n\n", 17, 2, 3)

    def test_closing_lines_in_the_middle_add_up(self) -> None:
        self.expect("3 passed, 1 failed\n" + GTEST_GOOD, 15, 1)

    def test_nothing_ran(self) -> None:
        self.expect("compiling\nlinking\n", 0, 0)
        self.expect("", 0, 0)
        self.expect("[==========] 0 tests from 0 test suites ran. (0 ms total)\n[  PASSED  ] 0 tests.\n", 0, 0)


if __name__ == "__main__":
    unittest.main()
