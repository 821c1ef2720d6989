#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds the control-domain and guest images (or finds them in the cache) and prints where they are."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tesseraimage.components import control_disk, control_image, guest_image  # noqa: E402
from tesseraimage.tree import TreeError  # noqa: E402

COMPONENTS = {"control": control_image, "guest": guest_image, "control-disk": control_disk}


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("component", nargs="*", metavar="{control,guest,control-disk}",
                        help="what to build (default: control and guest)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.component if name not in COMPONENTS]
    if unknown:
        parser.error(f"unknown component {unknown}")
    for name in arguments.component or ["control", "guest"]:
        try:
            print(f"{name}: {COMPONENTS[name]()}")
        except (TreeError, subprocess.CalledProcessError, OSError) as error:
            print(f"build_image: {name}: {error}\nhint: the packages of .ci/packages.txt must be installed (make setup) "
                  "and a Debian mirror must be reachable", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
