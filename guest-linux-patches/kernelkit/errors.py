# SPDX-License-Identifier: MIT
"""The one error type of the kit: a cause, a hint, and the exit code it ends the program with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes, the same as those of the project's other tools."""

    FAILED = 1
    CONFIGURATION = 2
    NOT_FOUND = 3
    NO_RESOURCES = 6
    INTERRUPTED = 130


class KitError(Exception):
    """Says what went wrong, what to do about it, and how the program ends."""

    def __init__(self, cause: str, hint: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(cause)
        self.cause = cause
        self.hint = hint
        self.code = code

    def describe(self) -> str:
        """The text for standard error."""
        return f"guest-kernel: error: {self.cause}" + (f"\n  hint: {self.hint}" if self.hint else "")


@contextmanager
def configuration_file(name: str) -> Iterator[None]:
    """Turns a failure to read one of the kit's own files into an error that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise KitError(f"{name} does not exist", f"restore {error.filename} from version control", ExitCode.NOT_FOUND) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KitError(f"{name} cannot be read: {error}", "", ExitCode.CONFIGURATION) from error
