#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs small PV test guests as the initial domain; each has to print `RESULT: pass` on the console, or to announce
`EXPECT: crash` and then be ended by the hypervisor with a reason."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from harness.control import hypervisor_path, log_directory
from harness.qemu import Machine, MachineError, MachineOptions


def run_guest(image: Path, label: str, arguments: argparse.Namespace) -> str:
    """Boots one image; returns an empty text when it passed, else why it failed."""
    options = MachineOptions(kernel=hypervisor_path(arguments.hypervisor), machine_type=arguments.machine, cpu=arguments.cpu,
                             cpus=arguments.cpus, memory_mib=arguments.memory, time_limit=arguments.time_limit,
                             kernel_arguments=f"console=com1 com1=115200,8n1 noreboot {arguments.hypervisor_arguments}",
                             modules=[(image, arguments.guest_arguments)], fatal=r"\*\*\* Tessera stops: [^\r\n]*")
    log = log_directory() / "guests" / f"{label.replace(' ', '-')}.log"
    try:
        with Machine(options, log, arguments.echo) as machine:
            result = machine.wait_for(r"RESULT: (\w+)([^\r\n]*)[\r\n]|EXPECT: (crash)[\r\n]")
            if result[3] == "crash":
                machine.wait_for(r"domain 0 crashed: ([^\r\n]+)[\r\n]")  # the guest ends with a reason, the hypervisor reports it
                return ""
            if result[1] != "pass":
                return f"{result[0]} (console: {log})"
            if arguments.host_must_live:
                machine.wait_for_end(10)
    except MachineError as error:
        return str(error)
    return ""


def variants(image: Path, arguments: argparse.Namespace) -> list[tuple[str, argparse.Namespace]]:
    """The machines that an image runs on: the one of the command line with what --machines says of it, and its `also`."""
    if arguments.machines is None:
        return [(image.name, arguments)]
    own = dict(json.loads(arguments.machines.read_text(encoding="utf-8")).get(image.stem, {}))
    others = own.pop("also", [])
    runs = []
    for changes in [{}, *others]:
        merged = argparse.Namespace(**{**vars(arguments), **own, **changes})
        differences = " ".join(f"{key}={value}" for key, value in {**own, **changes}.items())
        runs.append((f"{image.name} {differences}".rstrip(), merged))
    return runs


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", nargs="+", type=Path, help="ELF image with Xen notes")
    parser.add_argument("--hypervisor", default="tessera")
    parser.add_argument("--machine", default="pc")
    parser.add_argument("--cpu", default="qemu64,+rdrand")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--memory", type=int, default=512, metavar="MIB")
    parser.add_argument("--hypervisor-arguments", default="")
    parser.add_argument("--guest-arguments", default="")
    parser.add_argument("--time-limit", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--host-must-live", action="store_true", help="also wait for the machine's own end")
    parser.add_argument("--machines", type=Path, metavar="FILE", help="JSON: what differs for some images")
    parser.add_argument("--echo", action="store_true", help="show the console")
    arguments = parser.parse_args()
    passed = failed = 0
    for image in arguments.image:
        for name, machine in variants(image, arguments):
            started = time.monotonic()
            problem = run_guest(image, name, machine) if image.is_file() else f"'{image}' is not there"
            passed, failed = passed + (not problem), failed + bool(problem)
            print(f"{'FAIL' if problem else 'pass'}  {name}  ({time.monotonic() - started:.1f} s)", flush=True)
            if problem:
                print("\n".join("      " + line for line in problem.splitlines()), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
