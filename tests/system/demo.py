#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration: boots the machine, runs two guests and says at each step what is happening."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import ROOT
from harness.control import ControlDomain, ControlOptions, log_directory
from harness.qemu import MachineError, MachineOptions, until_qemu_survives
from run import attach_terminal

SCRIPTS = Path(__file__).parent / "scripts"
PROMPT_LIMIT = 180
STORIES = {
    "host": "The control domain is up. This is what it knows of the host:",
    "create-one": "Creating guest 'one': kernel, file-backed disk, network interface on the bridge.",
    "create-two": "Creating guest 'two'.",
    "login-one": "Waiting for the login of 'one'.",
    "login-two": "Waiting for the login of 'two'.",
    "list": "Both guests run:",
    "console": "The console of 'one', up to its prompt:",
    "write": "Writing a note to the disk of 'one':",
    "reboot": "Rebooting 'one' and waiting for its login again.",
    "read": "The note is still there after the reboot:",
    "ping": "Guest 'one' pings guest 'two' over the bridge:",
    "shutdown": "Shutting both guests down.",
    "end": "What is left running:",
}


@dataclass
class Timing:
    """Seconds from the start of QEMU to things that a user waits for."""

    control_domain: float
    second_prompt: float


def make_options(arguments: argparse.Namespace, hypervisor: str) -> ControlOptions:
    """Boot options of the demonstration for one hypervisor; stock Xen is driven by its own tools."""
    tool, store = ("xl", "xenstored") if hypervisor == "stock" else (arguments.tool, arguments.store)
    kernel = arguments.kernel
    if kernel == "micro" and not (ROOT / "build" / "guest" / "micro" / "vmlinuz").is_file():
        print("demo: the small guest kernel is not built; using Debian's cloud kernel", file=sys.stderr)
        kernel = "cloud"
    script = f"TOOL={tool} KERNEL={kernel}\n" + (SCRIPTS / "demo.sh").read_text(encoding="utf-8")
    if hypervisor == "stock" and arguments.compare:
        script = script.replace("DEMO=all", "DEMO=prompts")
    machine = MachineOptions(cpus=arguments.cpus, memory_mib=2048, time_limit=arguments.time_limit)
    return ControlOptions(hypervisor=hypervisor, script=script, store=store, guests=(kernel,), machine=machine,
                          files={"/usr/lib/tessera/guests.sh": SCRIPTS / "guests.sh"},
                          dom0_memory_mib=640, interactive=arguments.interactive)


def tell(domain: ControlDomain) -> tuple[bool, Timing]:
    """Prints the story while the script runs; returns whether every step worked, and the times."""
    machine = domain.machine
    position = machine.wait_for(r"^@@tessera start@@\n", PROMPT_LIMIT).end()
    control_domain = machine.elapsed()
    print(f"[{control_domain:5.1f} s] The hypervisor has booted Debian's kernel as control domain.", flush=True)
    second_prompt, good = 0.0, True
    while True:
        begin = machine.wait_for(r"@@step (\S+)@@\n|@@tessera exit (\d+)@@", PROMPT_LIMIT, position)
        if begin[2] is not None:
            return good and begin[2] == "0", Timing(control_domain, second_prompt)
        print(f"\n[{machine.elapsed():5.1f} s] {STORIES.get(begin[1], begin[1])}", flush=True)
        end = machine.wait_for(r"@@done (\d+)@@\n", PROMPT_LIMIT, begin.end())
        output = re.sub(r"^\((?:XEN|tessera|d\d+)\).*\n|^\[ *\d+\.\d+\].*\n", "", machine.text[begin.end():end.start()], flags=re.M)
        print("".join(f"          | {line}\n" for line in output.rstrip().splitlines()), end="", flush=True)
        if end[1] != "0":
            good = False
            print(f"          this step failed with code {end[1]}", flush=True)
        if begin[1] == "login-two":
            second_prompt = machine.elapsed()
        position = end.end()


def run_demo(arguments: argparse.Namespace, hypervisor: str) -> tuple[bool, Timing]:
    """Runs the demonstration; from the start again, and saying so, when QEMU itself crashes under it."""
    return until_qemu_survives(lambda: run_demo_once(arguments, hypervisor),
                               lambda what: print(f"\n{what}\nThat is the emulator's own fault; starting the machine again.\n", flush=True))


def run_demo_once(arguments: argparse.Namespace, hypervisor: str) -> tuple[bool, Timing]:
    """Runs the demonstration in one machine."""
    name = "Tessera" if hypervisor == "tessera" else "stock Xen with xl" if hypervisor == "stock" else hypervisor
    print(f"== {name}: QEMU (TCG, no KVM), {arguments.cpus} CPUs, 2 GiB ==", flush=True)
    options = make_options(arguments, hypervisor)
    log = log_directory() / f"demo-{Path(hypervisor).name}.log"
    with ControlDomain(options, log) as domain:
        good, timing = tell(domain)
        if arguments.interactive:
            domain.machine.wait_for("@@tessera ready@@", 30)
            print("\nThis is the control domain's shell: try 'vmctl list'; 'poweroff -f' ends the machine.\n", flush=True)
            attach_terminal(domain, echo=True)
        elif domain.machine.wait_for_end(20):
            print(f"\n[{domain.machine.elapsed():5.1f} s] The control domain has powered the machine off.", flush=True)
        else:
            print("\nThe machine did not power off by itself.", flush=True)
            good = False
    print(f"The whole console is in {log.relative_to(ROOT) if log.is_relative_to(ROOT) else log}.", flush=True)
    return good, timing


def compare(arguments: argparse.Namespace) -> bool:
    """Runs both hypervisors and prints their times side by side."""
    good_ours, ours = run_demo(arguments, arguments.hypervisor)
    print(flush=True)
    good_stock, stock = run_demo(arguments, "stock")
    print("\n                                          Tessera + vmctl   stock Xen + xl")
    print(f"start of QEMU to control domain's script  {ours.control_domain:12.1f} s   {stock.control_domain:12.1f} s")
    print(f"start of QEMU to second guest's prompt    {ours.second_prompt:12.1f} s   {stock.second_prompt:12.1f} s")
    print(f"ratio (ours / stock)                      {ours.second_prompt / stock.second_prompt:14.2f}")
    return good_ours and good_stock


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypervisor", default="tessera", help="tessera, stock, or the path of an image")
    parser.add_argument("--tool", default="vmctl", choices=["vmctl", "xl"])
    parser.add_argument("--store", default="tessera-store", choices=["tessera-store", "xenstored", "oxenstored"])
    parser.add_argument("--kernel", default="micro", choices=["micro", "cloud", "amd64"])
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--interactive", action="store_true", help="leave the user at the control domain's shell")
    parser.add_argument("--compare", action="store_true", help="do the same on stock Xen and print both times")
    parser.add_argument("--time-limit", type=float, default=600, metavar="SECONDS")
    arguments = parser.parse_args()
    if arguments.interactive:
        arguments.time_limit = 24 * 3600.0
    try:
        good = compare(arguments) if arguments.compare else run_demo(arguments, arguments.hypervisor)[0]
    except (MachineError, OSError, subprocess.CalledProcessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("\nDemonstration finished." if good else "\nThe demonstration met a problem; see above.", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
