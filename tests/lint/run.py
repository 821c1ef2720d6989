#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the checks of the source tree, a line for each, and ends in a line that counts them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from checks import CHECKS
from source_tree import SourceTree

EXIT_USAGE = 2


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="top of the tree")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {' '.join(CHECKS)} (default: all)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.checks if name not in CHECKS]
    if unknown:
        print(f"lint: error: no such check: {' '.join(unknown)}", file=sys.stderr)
        return EXIT_USAGE
    tree = SourceTree(arguments.root)
    if not tree.code:
        print(f"lint: error: no sources under {arguments.root}", file=sys.stderr)
        return EXIT_USAGE
    failed = 0
    names = arguments.checks or list(CHECKS)
    for name in names:
        problems = CHECKS[name](tree)
        failed += bool(problems)
        for problem in problems:
            print(problem)
        print(f"{'FAIL' if problems else 'ok  '} {name}" + (f": {len(problems)} places" if problems else ""))
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
