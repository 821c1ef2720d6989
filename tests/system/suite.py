#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the system tests: whole machines in QEMU, judged by what their consoles say."""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import sys
from pathlib import Path

from harness.cases import CASES, run_cases


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="*", help="run only tests whose names match one of these shell patterns")
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image")
    parser.add_argument("--extra", action="store_true", help="without patterns: run the tests for which `make test` has no time, instead of the others")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--echo", action="store_true", help="show the consoles while they grow")
    arguments = parser.parse_args()
    for path in sorted(Path(__file__).with_name("cases").glob("*.py")):
        if path.stem != "__init__":
            importlib.import_module(f"cases.{path.stem}")
    selected = [item for item in CASES if (any(fnmatch.fnmatch(item.name, pattern) for pattern in arguments.pattern) if arguments.pattern
                                           else item.extra == arguments.extra)]
    if arguments.list:
        print("\n".join(item.name for item in selected))
        return 0
    if left := [item.name for item in CASES if item.extra] if not arguments.pattern and not arguments.extra else []:
        print(f"left to `make test-extra`: {', '.join(left)}", flush=True)
    return run_cases(selected, arguments.hypervisor, arguments.echo)


if __name__ == "__main__":
    sys.exit(main())
