#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every part of the test suite, shows progress, keeps the logs and ends in a line that counts tests."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from summary import Counts, count_tests

LOG_DIRECTORY = Path("build/logs")
CLOSING_LINE = LOG_DIRECTORY / "closing-line"
PROGRESS_SECONDS = 30
LOG_TAIL_LINES = 40


@dataclass(frozen=True)
class Part:
    """One step of the suite: the make fragment and targets that run it, and how long it may take."""

    name: str
    fragment: str
    targets: tuple[str, ...]
    limit_seconds: int
    counts_tests: bool = True


# In the order in which they run: what the tests need first, then from the quickest verdict to the slowest.
PARTS = (
    Part("build", "Makefile", ("all",), 1200, counts_tests=False),
    Part("build-guest-kernel", "Makefile", ("guest-kernel", "FLAVOUR=micro"), 1800, counts_tests=False),
    Part("lint", "tests/lint/build.mk", ("test",), 120),
    Part("scripts", "tests/unit/scripts/build.mk", ("test",), 120),
    Part("cunit", "tests/cunit/build.mk", ("test",), 180),
    Part("core", "tests/unit/build.mk", ("test",), 900),
    Part("store", "xenstore-like/build.mk", ("test",), 600),
    Part("store-fuzz", "xenstore-like/build.mk", ("fuzz-smoke",), 300),
    Part("toolstack", "toolstack/build.mk", ("test",), 600),
    Part("guest-kernel", "guest-linux-patches/build.mk", ("test",), 600),
    Part("fuzz", "tests/fuzz/build.mk", ("fuzz-smoke",), 300),
    Part("guests", "tests/guests/build.mk", ("test",), 900),
    Part("guests-debug", "tests/guests/build.mk", ("test-debug",), 900),
    Part("system", "tests/system/build.mk", ("test",), 2400),
)


@dataclass
class Outcome:
    """What came of a part; `problem` is empty when all is well."""

    part: Part
    counts: Counts
    problem: str
    seconds: float


def clean_environment() -> dict[str, str]:
    """The environment without the flags of the make that called us, whose job server our children cannot reach.

    ccache may take what another work tree compiled: only paths in debugging information differ.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": os.getcwd()} | inherited


def last_line(log: Path) -> str:
    """Returns the last line of a growing log, for the progress display."""
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - 2048))
        lines = stream.read().decode(errors="replace").split("\n")
    filled = [line.strip() for line in lines if line.strip()]
    return filled[-1][:100] if filled else "(no output yet)"


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the process group that we started for a part, politely first."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def run_command(command: list[str], log: Path, limit_seconds: int) -> tuple[int, bool]:
    """Runs a command into a log with a time limit; returns its exit code and whether it ran out of time."""
    start = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            start_new_session=True,
        )
    try:
        while True:
            left = limit_seconds - (time.monotonic() - start)
            if left <= 0:
                stop_group(process)
                return process.wait(), True
            try:
                return process.wait(timeout=min(PROGRESS_SECONDS, left)), False
            except subprocess.TimeoutExpired:
                print(f"       {time.monotonic() - start:5.0f} s  {last_line(log)}", flush=True)
    except BaseException:
        stop_group(process)
        raise


def judge(part: Part, exit_code: int, timed_out: bool, counts: Counts) -> str:
    """Returns why a part failed, or an empty string."""
    if timed_out:
        return f"stopped: more than {part.limit_seconds} s"
    if counts.failed:
        return f"{counts.failed} tests failed"
    if exit_code != 0:
        return f"ended with {exit_code}"
    if part.counts_tests and counts.ran == 0:
        return "ran no test"
    return ""


def run_part(part: Part, jobs: int, log_directory: Path = LOG_DIRECTORY) -> Outcome:
    """Runs one part and counts its tests; a problem that no test accounts for counts as one failure."""
    start = time.monotonic()
    if not Path(part.fragment).is_file():
        return Outcome(part, Counts(failed=1), f"missing: there is no {part.fragment}", 0.0)
    log = log_directory / f"{part.name}.log"
    command = ["make", "--no-print-directory", f"-j{jobs}", "-f", part.fragment, *part.targets]
    exit_code, timed_out = run_command(command, log, part.limit_seconds)
    counts = count_tests(log.read_text(encoding="utf-8", errors="replace")) if part.counts_tests else Counts()
    problem = judge(part, exit_code, timed_out, counts)
    if problem and counts.failed == 0:
        counts.failed = 1
    if problem:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        print("\n".join(f"       | {line}" for line in tail), flush=True)
        print(f"       the whole log: {log}", flush=True)
    return Outcome(part, counts, problem, time.monotonic() - start)


def select_parts(names: list[str]) -> list[Part]:
    """Returns the named parts in running order, or all; exits with a usage error on an unknown name."""
    known = {part.name for part in PARTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"test: error: no such part: {' '.join(unknown)}", file=sys.stderr)
        print(f"test: hint: the parts are {' '.join(part.name for part in PARTS)}", file=sys.stderr)
        sys.exit(2)
    return [part for part in PARTS if not names or part.name in names]


def report(outcomes: list[Outcome], seconds: float) -> int:
    """Prints the table and the closing line; returns the exit code."""
    total = Counts()
    print()
    for outcome in outcomes:
        total.add(outcome.counts)
        verdict = outcome.problem or "ok"
        numbers = outcome.counts.closing_line() if outcome.part.counts_tests else ""
        print(f"  {outcome.part.name:<20} {outcome.seconds:6.0f} s  {numbers:<34} {verdict}")
    print(f"  {'together':<20} {seconds:6.0f} s")
    CLOSING_LINE.write_text(total.closing_line() + "\n", encoding="utf-8")
    print(total.closing_line(), flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilations at a time")
    parser.add_argument("--list", action="store_true", help="print the parts and what runs them")
    parser.add_argument("parts", nargs="*", metavar="PART", help="parts to run (default: all)")
    arguments = parser.parse_args()
    selected = select_parts(arguments.parts)
    if arguments.list:
        for part in selected:
            print(f"{part.name:<20} make -f {part.fragment} {' '.join(part.targets)}")
        return 0
    LOG_DIRECTORY.mkdir(parents=True, exist_ok=True)
    CLOSING_LINE.unlink(missing_ok=True)
    start = time.monotonic()
    outcomes = []
    for number, part in enumerate(selected, start=1):
        print(f"[{number:2}/{len(selected)}] {part.name}", flush=True)
        outcome = run_part(part, arguments.jobs)
        detail = outcome.problem or "ok"
        print(f"       {outcome.seconds:5.0f} s  {outcome.counts.closing_line()}: {detail}", flush=True)
        outcomes.append(outcome)
    return report(outcomes, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
