# SPDX-License-Identifier: MIT
"""One QEMU process: its command line, its serial console as a growing text, a hard time limit and a clean end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

QEMU = "qemu-system-x86_64"


def patience() -> float:
    """Factor for all time limits, from TESSERA_PATIENCE: a machine that is busy with other things needs more than 1."""
    return max(1.0, float(os.environ.get("TESSERA_PATIENCE") or 1))


class MachineError(Exception):
    """The machine did not do what was waited for; the text carries the end of its console."""


class EmulatorCrash(MachineError):
    """QEMU itself died of a signal, which says nothing about the software in the machine.

    QEMU 7.2's multi-threaded TCG does so now and then when one virtual CPU moves a PCI device's registers while another
    one accesses some device: the kernel's log has a read through a null pointer in qemu-system-x86_64 then.
    """


T = TypeVar("T")
EMULATOR_ATTEMPTS = 3
_turns = False  # machines run all their CPUs in one thread, in turns, where QEMU does not crash as above


def until_qemu_survives(action: Callable[[], T], tell: Callable[[str], None]) -> T:
    """Does `action`, which starts machines; again when QEMU itself crashed, its CPUs taking turns then, after telling so."""
    global _turns
    try:
        for _ in range(EMULATOR_ATTEMPTS - 1):
            try:
                return action()
            except EmulatorCrash as crash:
                tell(str(crash).splitlines()[0])
                _turns = True
        return action()
    finally:
        _turns = False


@dataclass
class MachineOptions:
    """What the machine is made of."""

    kernel: Path | None = None
    kernel_arguments: str = ""
    modules: list[tuple[Path, str]] = field(default_factory=list)
    machine_type: str = "pc"
    accelerator: str = "tcg,thread=multi"
    cpu: str = "qemu64,+rdrand"
    cpus: int = 1
    memory_mib: int = 1024
    extra: list[str] = field(default_factory=list)
    time_limit: float = 180.0
    fatal: str | None = None


def command_line(options: MachineOptions) -> list[str]:
    """QEMU's arguments for `options`; serial is standard input and output."""
    accelerator = options.accelerator.replace("thread=multi", "thread=single") if _turns else options.accelerator
    command = [QEMU, "-accel", accelerator, "-machine", options.machine_type, "-cpu", options.cpu,
               "-smp", str(options.cpus), "-m", str(options.memory_mib), "-no-reboot", "-display", "none",
               "-nodefaults", "-serial", "stdio", "-monitor", "none"]
    if options.kernel is not None:
        command += ["-kernel", str(options.kernel), "-append", options.kernel_arguments]
    if options.modules:
        modules = [f"{path} {arguments}".rstrip().replace(",", ",,") for path, arguments in options.modules]
        command += ["-initrd", ",".join(modules)]
    return command + options.extra


class Machine:
    """A running QEMU. Use as a context manager: leaving it ends the process, whatever happened."""

    def __init__(self, options: MachineOptions, log: Path, echo: bool = False) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.started = time.monotonic()
        self._deadline = self.started + options.time_limit * patience()
        self._fatal = re.compile(options.fatal, re.MULTILINE) if options.fatal else None
        self.echo = echo
        self._text = ""
        self._ended = False
        self._changed = threading.Condition()
        errors = open(log.with_suffix(".qemu"), "wb")
        self._process = subprocess.Popen(command_line(options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        errors.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def text(self) -> str:
        """Everything the console said so far, without carriage returns."""
        return self._text

    def position(self) -> int:
        """Place in `text` from which a later `wait_for` can look."""
        return len(self._text)

    def send(self, text: str) -> None:
        """Types `text` on the console."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise MachineError(self._explain(f"the machine ended before '{text.strip()}' could be typed")) from error

    def wait_for(self, pattern: str, limit: float | None = None, start: int = 0) -> re.Match[str]:
        """Waits until the console matches `pattern` (multi-line); raises when time is over or the machine ends."""
        deadline = min(self._deadline, time.monotonic() + limit * patience()) if limit else self._deadline
        expression = re.compile(pattern, re.MULTILINE)
        with self._changed:
            while True:
                match = expression.search(self._text, start)
                if match:
                    return match
                if self._ended:
                    raise self._why_ended(f"the machine ended before '{pattern}'")
                death = self._fatal.search(self._text) if self._fatal else None
                if death:
                    self._changed.wait(2)  # the rest of its last words
                    raise MachineError(self._explain(f"'{death[0]}' before '{pattern}'"))
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise MachineError(self._explain(f"no '{pattern}' within {time.monotonic() - self.started:.0f} s of the start"))
                self._changed.wait(remaining)

    def wait_for_end(self, limit: float | None = None) -> bool:
        """Waits until QEMU ends by itself (power-off or reset); False when time is over."""
        deadline = min(self._deadline, time.monotonic() + limit * patience()) if limit else self._deadline
        with self._changed:
            while not self._ended and time.monotonic() < deadline:
                self._changed.wait(deadline - time.monotonic())
            return self._ended

    def elapsed(self) -> float:
        """Seconds since QEMU was started."""
        return time.monotonic() - self.started

    def stop(self) -> None:
        """Ends QEMU (by its own process handle) and collects the rest of the console."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join(5)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with open(self.log, "wb") as log:
            while chunk := stream.read1(65536):
                log.write(chunk)
                log.flush()
                text = chunk.decode("utf-8", "replace").replace("\r", "")
                if self.echo:
                    print(text, end="", flush=True)
                with self._changed:
                    self._text += text
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _why_ended(self, what: str) -> MachineError:
        """The error for an end that nobody waited for; QEMU has closed its output, so its exit code is at hand."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = 0
        if code < 0:
            return EmulatorCrash(self._explain(f"QEMU died of {signal.Signals(-code).name}: {what}"))
        return MachineError(self._explain(what))

    def _explain(self, what: str) -> str:
        errors = self.log.with_suffix(".qemu").read_text(errors="replace").strip()
        tail = "\n".join("    | " + line for line in self._text.splitlines()[-15:])
        return f"{what}\n  console ({self.log}):\n{tail}" + (f"\n  QEMU says: {errors}" if errors else "")
