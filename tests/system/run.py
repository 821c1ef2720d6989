#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots the control domain under Tessera or stock Xen in QEMU and runs a script in it, or gives a shell."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from harness.control import ControlDomain, ControlOptions, log_directory
from harness.qemu import MachineError, MachineOptions


def parse_arguments() -> argparse.Namespace:
    """Command line of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image (default: tessera)")
    parser.add_argument("--script", type=Path, help="shell script to run as root in the control domain")
    parser.add_argument("--command", help="the same, as text")
    parser.add_argument("--interactive", action="store_true", help="give a shell on the console (after the script, if any)")
    parser.add_argument("--guests", nargs="?", const="cloud", default="", metavar="micro,cloud,amd64",
                        help="put these guest kernels, their initramfs and a disk into /root (default: cloud)")
    parser.add_argument("--store", choices=["tessera-store", "xenstored", "oxenstored", "none"])
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE[:TARGET]", help="also put this file into the control domain")
    parser.add_argument("--machine", default="pc", help="pc or q35, with QEMU's options (default: pc)")
    parser.add_argument("--cpu", default="qemu64,+rdrand")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB")
    parser.add_argument("--dom0-memory", type=int, default=512, metavar="MIB")
    parser.add_argument("--hypervisor-arguments", default="")
    parser.add_argument("--kernel-arguments", default="")
    parser.add_argument("--qemu", action="append", default=[], metavar="ARGUMENT", help="extra argument for QEMU")
    parser.add_argument("--time-limit", type=float, default=300, metavar="SECONDS")
    parser.add_argument("--log", type=Path, help="where the console is kept")
    parser.add_argument("--quiet", action="store_true", help="print only what the script printed")
    return parser.parse_args()


def make_options(arguments: argparse.Namespace) -> ControlOptions:
    """Turns the command line into boot options."""
    script = arguments.script.read_text(encoding="utf-8") if arguments.script else arguments.command
    files: dict[str, Path | str | bytes] = {"/usr/lib/tessera/guests.sh": Path(__file__).parent / "scripts" / "guests.sh"}
    for item in arguments.file:
        source, _, target = item.partition(":")
        files[target or f"/root/{Path(source).name}"] = Path(source)
    machine = MachineOptions(machine_type=arguments.machine, cpu=arguments.cpu, cpus=arguments.cpus,
                             memory_mib=arguments.memory, extra=arguments.qemu, time_limit=arguments.time_limit)
    return ControlOptions(hypervisor=arguments.hypervisor, script=script, store=arguments.store, guests=tuple(filter(None, arguments.guests.split(','))),
                          files=files, dom0_memory_mib=arguments.dom0_memory, machine=machine,
                          hypervisor_arguments=arguments.hypervisor_arguments,
                          kernel_arguments=arguments.kernel_arguments, interactive=arguments.interactive)


def attach_terminal(domain: ControlDomain, echo: bool = False) -> int:
    """Hands the keyboard to the control domain until it powers off or the input ends; `echo` also shows its console."""
    import os
    import select
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    saved = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None
    try:
        if saved is not None:
            tty.setcbreak(descriptor)
        domain.machine.echo = domain.machine.echo or echo
        while not domain.machine.wait_for_end(0.001):
            ready, _, _ = select.select([descriptor], [], [], 0.2)
            if ready:
                data = os.read(descriptor, 256)
                if not data:
                    break
                domain.machine.send(data.decode("utf-8", "replace"))
    except (KeyboardInterrupt, MachineError):
        pass
    finally:
        if saved is not None:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
    return 0


def main() -> int:
    """Entry point; returns the script's exit code, 1 when the machine failed."""
    arguments = parse_arguments()
    options = make_options(arguments)
    log = arguments.log or log_directory() / "run.log"
    try:
        with ControlDomain(options, log, echo=not arguments.quiet) as domain:
            if options.interactive:
                return attach_terminal(domain)
            if options.script is None:
                domain.machine.wait_for("@@tessera ready@@")
                return 0
            result = domain.wait_for_script()
            domain.machine.wait_for_end(15)
    except (MachineError, subprocess.CalledProcessError, OSError) as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    if arguments.quiet:
        print(result.output, end="")
    print(f"run: script ended with code {result.code} after {result.seconds:.1f} s", file=sys.stderr)
    return result.code


if __name__ == "__main__":
    sys.exit(main())
