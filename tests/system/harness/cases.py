# SPDX-License-Identifier: MIT
"""The list of system tests and the runner that prints one line per test and a closing count."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import ROOT
from .control import ControlDomain, ControlOptions, ScriptResult, Step, log_directory
from .qemu import MachineError, until_qemu_survives

GUEST_FUNCTIONS = ROOT / "tests" / "system" / "scripts" / "guests.sh"


class Failure(Exception):
    """A test's verdict: what was expected and what came instead."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


@dataclass
class Context:
    """What a test gets: the hypervisor to use, a name for its logs, and short ways to boot."""

    name: str
    hypervisor: str
    echo: bool = False
    logs: list[Path] = field(default_factory=list)

    def options(self, script: str | None, **settings: object) -> ControlOptions:
        """Boot options for this test's hypervisor; scripts may call the functions of scripts/guests.sh."""
        options = ControlOptions(hypervisor=self.hypervisor, script=script)
        for key, value in settings.items():
            target = options if hasattr(options, key) else options.machine
            if not hasattr(target, key):
                raise TypeError(f"no such option: {key}")
            setattr(target, key, value)
        options.files.setdefault("/usr/lib/tessera/guests.sh", GUEST_FUNCTIONS)
        return options

    def boot(self, options: ControlOptions) -> ControlDomain:
        """Boots; the caller ends it by leaving the `with` block."""
        log = log_directory() / f"{self.name}-{self.hypervisor.replace('/', '_')}-{len(self.logs) + 1}.log"
        self.logs.append(log)
        return ControlDomain(options, log, self.echo)

    def run(self, script: str, **settings: object) -> ScriptResult:
        """Boots, runs a script to its end and returns what it printed."""
        with self.boot(self.options(script, **settings)) as domain:
            return domain.wait_for_script()


@dataclass
class Case:
    """A registered test."""

    name: str
    function: Callable[[Context], None]
    needs: tuple[str, ...]
    extra: bool = False


CASES: list[Case] = []


def case(*needs: str, extra: bool = False) -> Callable[[Callable[[Context], None]], Callable[[Context], None]]:
    """Registers a test; `needs` names files under build/ without which it fails at once with a clear text.

    An `extra` one is for `make test-extra`: it has no place in the twenty minutes of `make test`.
    """
    def register(function: Callable[[Context], None]) -> Callable[[Context], None]:
        CASES.append(Case(function.__name__, function, needs, extra))
        return function
    return register


def expect(condition: bool, text: str) -> None:
    """Fails the test with `text` unless `condition` holds."""
    if not condition:
        raise Failure(text)


def expect_step(result: ScriptResult, name: str, code: int = 0, pattern: str | None = None) -> Step:
    """Checks a step's exit code and, if given, that its output matches; returns the step."""
    step = result.step(name)
    expect(step.code == code, f"step '{name}' ended with {step.code}, not {code}:\n{step.output}")
    if pattern is not None:
        expect(re.search(pattern, step.output, re.M) is not None, f"step '{name}' has no '{pattern}':\n{step.output}")
    return step


def run_case(item: Case, hypervisor: str, echo: bool) -> tuple[str, str]:
    """Runs one test; returns its verdict (pass, FAIL, skip) and a text."""
    missing = [name for name in item.needs if not (ROOT / "build" / name).exists()]
    if missing:
        return "FAIL", f"needs build/{missing[0]} (hint: make all guest-kernel)"
    try:
        until_qemu_survives(lambda: item.function(Context(item.name, hypervisor, echo)),
                            lambda what: print(f"      {item.name}: {what}; once more, its CPUs taking turns", flush=True))
    except Skip as reason:
        return "skip", str(reason)
    except (Failure, MachineError, OSError, subprocess.CalledProcessError) as error:
        return "FAIL", str(error)
    except Exception:  # a bug in the test itself must not hide the other tests
        return "FAIL", traceback.format_exc()
    return "pass", ""


def run_cases(selected: list[Case], hypervisor: str, echo: bool = False) -> int:
    """Runs the tests in order; returns the process's exit code: 0 only when at least one passed and none failed."""
    counts = {"pass": 0, "FAIL": 0, "skip": 0}
    for index, item in enumerate(selected, 1):
        started = time.monotonic()
        verdict, text = run_case(item, hypervisor, echo)
        counts[verdict] += 1
        print(f"{verdict}  {index}/{len(selected)} {item.name}  ({time.monotonic() - started:.1f} s)", flush=True)
        if text:
            print("\n".join("      " + line for line in text.splitlines()), flush=True)
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['pass']} passed, {counts['FAIL']} failed{skipped}")
    if counts["pass"] + counts["FAIL"] == 0:
        print("no test ran", file=sys.stderr)
    return 0 if counts["pass"] and not counts["FAIL"] else 1
