# SPDX-License-Identifier: MIT
"""Runs the programs that do the work: output into a log, progress on the terminal, the whole process group ended with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .errors import ExitCode, KitError

# What programs say when the disk is full; tar's words for a file that it could write in part come last.
FULL_DISK = ("No space left on device", "Disk quota exceeded", "Wrote only ")
PROGRESS_SECONDS = 15.0
TAIL_LINES = 25


@dataclass
class Command:
    """One program run: what it is for, its arguments, where its output goes, and the hint if it fails."""

    purpose: str
    arguments: list[str]
    log: Path
    hint: str = ""
    directory: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    on_line: Callable[[str], None] | None = None


def clean_environment(extra: dict[str, str]) -> dict[str, str]:
    """An environment in which only what is named can change a build's result."""
    kept = ("PATH", "HOME", "TMPDIR", "CCACHE_DIR", "CCACHE_CONFIGPATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment.update({"LC_ALL": "C", "TZ": "UTC"})
    environment.update(extra)
    return environment


def stop_group(process: subprocess.Popen[str]) -> None:
    """Ends the process group that we started, politely first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=10)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def read_lines(log: Path) -> list[str]:
    """The lines of a log that may not be there."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []


def telling_lines(lines: list[str]) -> list[str]:
    """The last lines of a log, errors of the compiler and of make first when there are any."""
    telling = [line for line in lines if "error:" in line or "Error " in line or "***" in line]
    return (telling or lines)[-TAIL_LINES:]


def out_of_space(lines: list[str]) -> str:
    """The line in which a program says that the disk is full, or an empty string."""
    return next((line.strip() for line in lines if any(words in line for words in FULL_DISK)), "")


def full_disk(purpose: str, said: str) -> KitError:
    """The error for a step that found the disk full, with the program's own words."""
    return KitError(f"{purpose}: the disk is full: {said}", "free some space, or set TESSERA_CACHE to another disk", ExitCode.NO_RESOURCES)


def run_logged(command: Command) -> None:
    """Runs a program to its end; a failure becomes a KitError with the end of its output."""
    command.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        process = subprocess.Popen(command.arguments, cwd=command.directory, env=clean_environment(command.variables),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", start_new_session=True)
    except FileNotFoundError as error:
        raise KitError(f"{command.purpose}: program {error.filename} is not installed", "run `make setup`", ExitCode.NOT_FOUND) from error
    assert process.stdout is not None
    try:
        with command.log.open("a", buffering=1, encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                if command.on_line is not None:
                    command.on_line(line)
        status = process.wait()
    except OSError as error:
        stop_group(process)
        raise KitError(f"{command.purpose}: {command.log} cannot be written: {error.strerror}", "is the disk full or read-only?", ExitCode.NO_RESOURCES) from error
    except BaseException:
        stop_group(process)
        raise
    if status != 0:
        raise failure(command, status)


def failure(command: Command, status: int) -> KitError:
    """Describes a program that failed."""
    lines = read_lines(command.log)
    if said := out_of_space(lines):
        return full_disk(command.purpose, said)
    said = "\n".join(f"    {line}" for line in telling_lines(lines))
    return KitError(f"{command.purpose} failed with status {status}; its output ended in:\n{said}", command.hint)


class Progress:
    """Counts compiled files on the terminal; on anything else prints a line now and then."""

    def __init__(self, what: str, expected: int) -> None:
        self.what_ = what
        self.expected_ = expected
        self.done = 0
        self.start_ = time.monotonic()
        self.shown_ = self.start_
        self.live_ = sys.stderr.isatty()

    def line(self, text: str) -> None:
        """Takes one line of make's output."""
        words = text.split()
        if len(words) < 2 or not (words[0].isupper() and words[0].isalpha()):
            return
        self.done += 1
        now = time.monotonic()
        if now - self.shown_ < (0.2 if self.live_ else PROGRESS_SECONDS):
            return
        self.shown_ = now
        share = f"{min(99, 100 * self.done // self.expected_)} %" if self.expected_ else f"{self.done} steps"
        report = f"{self.what_}: {share} after {now - self.start_:.0f} s ({words[-1]})"
        if self.live_:
            print(f"\r[guest-kernel] {report[:100]:<100}", end="", file=sys.stderr, flush=True)
        else:
            say(report)

    def close(self) -> None:
        """Ends the live line."""
        if self.live_:
            print("\r" + " " * 116 + "\r", end="", file=sys.stderr)
        say(f"{self.what_}: {self.done} steps in {time.monotonic() - self.start_:.0f} s")


def say(text: str) -> None:
    """One line of progress on standard error."""
    print(f"[guest-kernel] {text}", file=sys.stderr, flush=True)
