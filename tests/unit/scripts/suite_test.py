# SPDX-License-Identifier: MIT
"""Tests the suite's runner on small make fragments of its own."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import unittest
from pathlib import Path

import paths
import suite
from suite import Outcome, Part, run_part

FRAGMENT = """
good:
\t@echo '3 passed, 0 failed'
bad:
\t@echo '3 passed, 1 failed'; exit 1
liar:
\t@echo '3 passed, 1 failed'
crash:
\t@echo '3 passed, 0 failed'; exit 3
silent:
\t@true
endless:
\t@sleep 600
"""


class RunPart(unittest.TestCase):
    """What the runner makes of a part's output, exit code and duration."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)
        paths.write_tree(Path("."), {"part.mk": FRAGMENT})

    def run_target(self, target: str, fragment: str = "part.mk", limit: int = 60, counts_tests: bool = True) -> Outcome:
        """Runs one target as a part, quietly."""
        part = Part(target, fragment, (target,), limit, counts_tests)
        with contextlib.redirect_stdout(io.StringIO()):
            return run_part(part, 1, Path("."))

    def test_good_part(self) -> None:
        outcome = self.run_target("good")
        self.assertEqual((outcome.counts.passed, outcome.counts.failed, outcome.problem), (3, 0, ""))

    def test_failures_count_once(self) -> None:
        outcome = self.run_target("bad")
        self.assertEqual((outcome.counts.passed, outcome.counts.failed), (3, 1))

    def test_failure_reported_with_exit_code_0_is_a_failure(self) -> None:
        self.assertIn("1 tests failed", self.run_target("liar").problem)

    def test_bad_exit_code_without_a_failed_test_is_a_failure(self) -> None:
        outcome = self.run_target("crash")
        self.assertEqual((outcome.counts.passed, outcome.counts.failed), (3, 1))

    def test_part_without_tests_is_a_failure(self) -> None:
        outcome = self.run_target("silent")
        self.assertEqual((outcome.counts.failed, outcome.problem), (1, "ran no test"))

    def test_build_step_needs_no_tests(self) -> None:
        self.assertEqual(self.run_target("silent", counts_tests=False).problem, "")

    def test_missing_fragment_is_a_failure(self) -> None:
        outcome = self.run_target("good", fragment="nowhere.mk")
        self.assertEqual(outcome.counts.failed, 1)
        self.assertIn("nowhere.mk", outcome.problem)

    def test_part_that_takes_too_long_is_stopped(self) -> None:
        outcome = self.run_target("endless", limit=1)
        self.assertEqual(outcome.counts.failed, 1)
        self.assertLess(outcome.seconds, 60)
        self.assertIn("more than 1 s", outcome.problem)


class Report(unittest.TestCase):
    """The closing line and the exit code."""

    def report(self, *outcomes: Outcome) -> tuple[int, str]:
        """Returns the exit code and the last line."""
        with tempfile.TemporaryDirectory() as folder:
            before = suite.CLOSING_LINE
            suite.CLOSING_LINE = Path(folder) / "closing-line"
            try:
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    code = suite.report(list(outcomes), 1.0)
                self.assertEqual(suite.CLOSING_LINE.read_text(encoding="utf-8"), output.getvalue().splitlines()[-1] + "\n")
            finally:
                suite.CLOSING_LINE = before
        return code, output.getvalue().splitlines()[-1]

    def test_sums_up(self) -> None:
        part = Part("a", "a.mk", (), 1)
        good = Outcome(part, suite.Counts(2, 0, 1), "", 0.0)
        bad = Outcome(part, suite.Counts(1, 1), "1 tests failed", 0.0)
        self.assertEqual(self.report(good, good), (0, "4 passed, 0 failed, 2 skipped"))
        self.assertEqual(self.report(good, bad), (1, "3 passed, 1 failed, 1 skipped"))

    def test_no_test_at_all_is_a_failure(self) -> None:
        self.assertEqual(self.report(), (1, "0 passed, 0 failed"))


class Parts(unittest.TestCase):
    """The table of parts and its selection."""

    def test_names_are_unique(self) -> None:
        names = [part.name for part in suite.PARTS]
        self.assertEqual(len(names), len(set(names)))

    def test_selection_keeps_the_order(self) -> None:
        names = [part.name for part in suite.select_parts(["system", "lint"])]
        self.assertEqual(names, ["lint", "system"])

    def test_unknown_part_is_a_usage_error(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as caught:
            suite.select_parts(["lint", "no-such-part"])
        self.assertEqual(caught.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
