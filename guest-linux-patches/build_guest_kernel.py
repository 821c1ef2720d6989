#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds a guest kernel from Debian's packaged source, the patch series and the configuration of a flavour."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import types
from pathlib import Path

from kernelkit.artefacts import publish
from kernelkit.build import NEEDED_BYTES, Workshop, boot_image_size, cache_directory, choose_compiler, obtain
from kernelkit.errors import ExitCode, KitError
from kernelkit.flavour import FRAGMENTS, gather
from kernelkit.process import say
from kernelkit.source import find_source, read_pin

KIT = Path(__file__).resolve().parent


def parse_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flavour", default="micro", help=f"one of: {', '.join(FRAGMENTS)} (default: micro)")
    parser.add_argument("--output", type=Path, default=Path("build/guest"), help="where the artefacts go (default: build/guest)")
    parser.add_argument("--source", type=Path, help="kernel source tarball (default: the packaged one)")
    parser.add_argument("--kit", type=Path, default=KIT, help=argparse.SUPPRESS)
    parser.add_argument("--needed-mib", type=int, default=NEEDED_BYTES >> 20, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once (default: one per CPU)")
    parser.add_argument("--unpatched", action="store_true", help="leave the patches out, for comparison; the result is FLAVOUR-unpatched")
    parser.add_argument("--rebuild", action="store_true", help="build even if the cache has this kernel")
    parser.add_argument("--without-ccache", action="store_true", help="compile everything, to see that two builds give the same bits")
    return parser.parse_args(words)


def build(arguments: argparse.Namespace) -> Path:
    """Does what the command line asks for and returns the directory of the artefacts."""
    if arguments.jobs < 1:
        raise KitError("--jobs needs a positive number", "", ExitCode.CONFIGURATION)
    source = find_source(read_pin(arguments.kit / "source.json"), arguments.source)
    inputs = gather(arguments.kit, arguments.flavour, source, with_patches=not arguments.unpatched)
    name = arguments.flavour + ("-unpatched" if arguments.unpatched else "")
    log = arguments.output.parent / "logs" / f"guest-kernel-{name}.log"
    shop = Workshop(cache_directory(), arguments.jobs, log.absolute(), arguments.needed_mib << 20,
                    choose_compiler(through_ccache=not arguments.without_ccache))
    target = arguments.output / name
    publish(obtain(inputs, shop, rebuild=arguments.rebuild), target)
    return Path(target)


def interrupt(number: int, frame: types.FrameType | None) -> None:
    """Turns a polite kill into the same clean-up as Ctrl-C."""
    del number, frame
    raise KeyboardInterrupt


def main() -> int:
    """Entry point."""
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        target = build(arguments)
    except KitError as error:
        print(error.describe(), file=sys.stderr)
        return int(error.code)
    except KeyboardInterrupt:
        print("guest-kernel: interrupted; nothing half-built was kept", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    say(f"{target}: vmlinuz has {boot_image_size(target) / (1 << 20):.2f} MiB")
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
