#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Finds by bisection the least memory in which a guest with a kernel of the kit reaches its init."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from lab.guests import FUNCTIONS, run_script
from lab.workload import ROOT

BISECTION = """
low={low}; high={high}
# A guest that boots fast would be gone before its console is found: stops=1 makes it wait for us at init.
try() {{ run_guest kernel "$1" "boot_only=1 stops=1" >/run/output 2>&1; cat /run/output; grep -q 'WORKLOAD all passed' /run/output; }}
try "$high" || {{ echo "@@least none@@"; exit 0; }}
while [ $((high - low)) -gt 1 ]; do
    middle=$(((low + high) / 2))
    if try "$middle"; then high=$middle; else low=$middle; fi
    echo "@@tried $middle, least is at most $high@@"
done
echo "@@least $high@@"
"""


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--tool", default="xl", choices=["xl", "vmctl"], help="what creates the guests (default: xl)")
    parser.add_argument("--kernel", type=Path, default=ROOT / "build/guest/micro/vmlinuz")
    parser.add_argument("--low", type=int, default=4, metavar="MIB", help="memory that is too little for sure (default: 4)")
    parser.add_argument("--high", type=int, default=64, metavar="MIB", help="memory that is enough for sure (default: 64)")
    parser.add_argument("--at-most", type=int, metavar="MIB", help="fail when it needs more than this")
    parser.add_argument("--log", type=Path, default=ROOT / "build/logs/least-memory.log")
    parser.add_argument("--time-limit", type=int, default=900, metavar="SECONDS")
    return parser.parse_args()


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    if not arguments.kernel.is_file():
        print(f"least-memory: error: {arguments.kernel} does not exist\n  hint: make guest-kernel", file=sys.stderr)
        return 3
    script = f"TOOL={arguments.tool}\nGUEST_SECONDS=120\n" + FUNCTIONS + BISECTION.format(low=arguments.low, high=arguments.high)
    try:
        text = run_script(arguments.hypervisor, script, {"kernel": arguments.kernel}, arguments.high, arguments.log, counting=False,
                          limit_seconds=arguments.time_limit)
    except RuntimeError as error:
        print(f"least-memory: error: {error}", file=sys.stderr)
        return 1
    found = re.search(r"^@@least (\w+)@@$", text, re.M)
    if found is None or found[1] == "none":
        print(f"least-memory: error: no guest reached its init, not even in {arguments.high} MiB; see {arguments.log}", file=sys.stderr)
        return 1
    print(f"{arguments.kernel}: reaches init in {found[1]} MiB, not in {int(found[1]) - 1} MiB")
    return 1 if arguments.at_most is not None and int(found[1]) > arguments.at_most else 0


if __name__ == "__main__":
    sys.exit(main())
