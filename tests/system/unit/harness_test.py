# SPDX-License-Identifier: MIT
"""Tests of the harness itself: a judge that cannot condemn is worth nothing."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from harness.cases import Case, Failure, Skip, expect_step, run_cases  # noqa: E402
from harness.control import ScriptResult  # noqa: E402
from harness.qemu import EmulatorCrash, Machine, MachineError, MachineOptions, command_line  # noqa: E402


def run_quietly(cases: list[Case]) -> tuple[int, str]:
    """Runs cases and returns exit code and output."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        return run_cases(cases, "tessera"), output.getvalue()


def failing(_: object) -> None:
    """A test that fails."""
    raise Failure("as it should")


def skipping(_: object) -> None:
    """A test that cannot run."""
    raise Skip("not here")


def broken(_: object) -> None:
    """A test with a bug of its own."""
    raise KeyError("oops")


class RunnerTest(unittest.TestCase):
    """Exit codes and closing lines."""

    def test_all_pass(self) -> None:
        """Only passing tests: exit code 0."""
        code, output = run_quietly([Case("good", lambda _: None, ())])
        self.assertEqual(code, 0)
        self.assertTrue(output.endswith("1 passed, 0 failed\n"))

    def test_failure_bug_and_missing_file_fail(self) -> None:
        """A failure, a bug in a test and a missing product each count as failed."""
        for case in (Case("bad", failing, ()), Case("broken", broken, ()), Case("needy", lambda _: None, ("no/such/file",))):
            code, output = run_quietly([Case("good", lambda _: None, ()), case])
            self.assertEqual(code, 1, case.name)
            self.assertIn("1 passed, 1 failed", output)

    def test_emulator_crash_is_no_verdict(self) -> None:
        """A test under which QEMU died runs again, and says so; it fails when QEMU never lives to its end."""
        for crashes, expected in ((2, 0), (3, 1)):
            left = crashes
            accelerators: list[str] = []

            def dies_at_first(_: object) -> None:
                nonlocal left
                accelerators.append(command_line(MachineOptions())[2])
                if left > 0:
                    left -= 1
                    raise EmulatorCrash("QEMU died of SIGSEGV")

            code, output = run_quietly([Case("unlucky", dies_at_first, ())])
            self.assertEqual(code, expected)
            self.assertEqual(output.count("QEMU died of SIGSEGV; once more"), 2)
            self.assertEqual(accelerators, ["tcg,thread=multi", "tcg,thread=single", "tcg,thread=single"])
        self.assertEqual(command_line(MachineOptions())[2], "tcg,thread=multi")

    def test_emulator_crash_is_recognised(self) -> None:
        """A QEMU that dies of a signal is told from a machine that ends by itself."""
        for end, kind in (("kill -SEGV $$", EmulatorCrash), ("exit 0", MachineError)):
            with tempfile.TemporaryDirectory() as scratch, \
                    unittest.mock.patch("harness.qemu.command_line", return_value=["sh", "-c", f"echo hello; {end}"]), \
                    Machine(MachineOptions(), Path(scratch, "log")) as machine:
                machine.wait_for("hello", 10)
                with self.assertRaises(MachineError) as caught:
                    machine.wait_for("more", 10)
                self.assertIs(type(caught.exception), kind)

    def test_nothing_ran(self) -> None:
        """No test, or only skipped ones: not a success."""
        self.assertEqual(run_quietly([])[0], 1)
        self.assertEqual(run_quietly([Case("skip", skipping, ())])[0], 1)


class ScriptResultTest(unittest.TestCase):
    """Steps in what a script printed."""

    OUTPUT = "@@step one@@\nhello\n@@done 0@@\nnoise\n@@step two@@\n@@done 3@@\n@@step three@@\nnever ends\n"

    def test_steps(self) -> None:
        """Outputs and exit codes belong to their steps."""
        result = ScriptResult(self.OUTPUT, 0, 1.0)
        self.assertEqual(result.step("one").output, "hello\n")
        self.assertEqual([step.code for step in result.steps.values()], [0, 3, None])

    def test_expectations(self) -> None:
        """Wrong code, missing text, missing end and missing step are all told."""
        result = ScriptResult(self.OUTPUT, 0, 1.0)
        expect_step(result, "one", pattern="^hello$")
        expect_step(result, "two", code=3)
        for name, code, pattern in (("two", 0, None), ("one", 0, "bye"), ("three", 0, None)):
            with self.assertRaises(Failure):
                expect_step(result, name, code, pattern)
        with self.assertRaises(MachineError):
            expect_step(result, "four")


class MachineTest(unittest.TestCase):
    """The process behind a machine, with a shell in QEMU's place."""

    def setUp(self) -> None:
        """Puts a program named like QEMU first in the path."""
        self._scratch = tempfile.TemporaryDirectory()
        self._path = os.environ["PATH"]
        os.environ["PATH"] = f"{self._scratch.name}:{self._path}"

    def tearDown(self) -> None:
        """Restores the path."""
        os.environ["PATH"] = self._path
        self._scratch.cleanup()

    def machine(self, script: str, **options: object) -> Machine:
        """A machine whose console is the output of `script`."""
        program = Path(self._scratch.name, "qemu-system-x86_64")
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        return Machine(MachineOptions(**options), Path(self._scratch.name, "log"))  # type: ignore[arg-type]

    def test_waits_talks_and_ends(self) -> None:
        """Text is found as it comes, typing reaches the machine, its end is seen."""
        with self.machine("echo ready; read word; echo got $word") as machine:
            machine.wait_for("^ready$", 10)
            machine.send("this\n")
            self.assertEqual(machine.wait_for(r"^got (\w+)$", 10)[1], "this")
            self.assertTrue(machine.wait_for_end(10))

    def test_time_is_limited(self) -> None:
        """A silent machine is not waited for for ever, and is gone afterwards."""
        with self.machine("exec sleep 60", time_limit=0.3) as machine:
            with self.assertRaisesRegex(MachineError, "within"):
                machine.wait_for("never")
        self.assertTrue(machine.wait_for_end(0.1))

    def test_end_and_death_are_told(self) -> None:
        """An early end and last words are errors at once."""
        with self.machine("echo bye") as machine, self.assertRaisesRegex(MachineError, "ended before"):
            machine.wait_for("never", 30)
        with self.machine("echo Kernel panic; exec sleep 60", fatal="Kernel panic") as machine:
            with self.assertRaisesRegex(MachineError, "'Kernel panic' before"):
                machine.wait_for("never", 30)

    def test_commas_in_module_arguments(self) -> None:
        """QEMU splits modules at commas, so those of arguments are doubled."""
        options = MachineOptions(kernel=Path("/k"), modules=[(Path("/a"), "x=1,2"), (Path("/b"), "")])
        self.assertIn("/a x=1,,2,/b", command_line(options))


if __name__ == "__main__":
    unittest.main()
