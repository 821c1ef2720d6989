# SPDX-License-Identifier: MIT
"""Runs the workloads in guests of one booted control domain, one after the other, under a counting or a free-running QEMU."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .workload import ROOT, Figures, build_cpu_time, build_initramfs, read_figures

sys.path.insert(0, str(ROOT / "tests" / "system"))

from harness.control import ControlOptions, build_initrd, control_image, hypervisor_path  # noqa: E402
from harness.qemu import MachineError, MachineOptions, command_line  # noqa: E402

__all__ = ["MachineError", "Run", "figures_of", "hypervisor_path", "run_guests", "run_script"]

CONTROL_MEMORY_MIB = 512
COUNTING = ["-icount", "shift=0,sleep=off"]

# The console file ends when the guest's domain is gone, so reading to its end is waiting for the guest. A guest started with
# stops=1 waits at each "WORKLOAD stop" for a line: time to read its counters, which are printed when the guest has ended.
FUNCTIONS = """
run_guest() {
    cat >/root/guest.cfg <<END
name = "$1"
kernel = "/root/$1"
ramdisk = "/root/workload"
extra = "console=hvc0 panic=-1 $3"
memory = $2
vcpus = ${4:-1}
on_poweroff = "destroy"
on_crash = "destroy"
END
    : >/run/stops
    echo "@@guest $1@@"
    if $TOOL create /root/guest.cfg >/run/create.log 2>&1; then
        if wait_step=20000 wait_for 600 guest_console "$1" >/run/console && [ -s /run/console ]; then
            follow_console $(cat /run/console)
        fi
    else
        cat /run/create.log
    fi
    echo
    cat /run/stops
    echo "@@end@@"
}
# Prints the domain's number and console; nothing for a guest that has ended already.
guest_console() {
    for domid in $(xenstore-list /local/domain | sort -rn); do
        [ "$(xenstore-read "/local/domain/$domid/name" 2>/dev/null)" != "$1" ] || {
            tty=$(xenstore-read "/local/domain/$domid/console/tty" 2>/dev/null) && echo "$domid $tty"
            return
        }
    done
}
follow_console() {
    exec 9<>"$2"
    while IFS= read -r -t "${GUEST_SECONDS:-600}" line <&9; do
        line=${line%$'\\r'}
        printf '%s\\n' "$line"
        case $line in
        *"WORKLOAD stop "*)
            { echo "@@stop ${line##*WORKLOAD stop }@@"; read_counters "$1"; } >>/run/stops 2>&1
            echo >&9
            ;;
        esac
    done
    printf '%s' "$line"
    exec 9>&-
}
read_counters() {
    echo "ran: $(/root/cpu_time "$1")"
    [ -z "$HAS_COUNTERS" ] || vmctl show "$1" --counters --format csv
}
"""


@dataclass
class Run:
    """One guest: a name, the kernel image, its memory and more kernel arguments."""

    name: str
    kernel: Path
    memory_mib: int = 64
    arguments: str = ""
    vcpus: int = 1


def script_for(runs: list[Run], tool: str, *, has_counters: bool) -> str:
    """The script that the control domain runs; counters are our hypervisor's own."""
    lines = [f"TOOL={tool}", f"HAS_COUNTERS={'yes' if has_counters else ''}", FUNCTIONS]
    lines += [f'run_guest {run.name} {run.memory_mib} "{run.arguments}" {run.vcpus}' for run in runs]
    return "\n".join(lines) + "\n"


def run_guests(hypervisor: str, tool: str, runs: list[Run], log: Path, *, counting: bool, limit_seconds: int, cpus: int = 1) -> dict[str, str]:
    """Boots the machine and returns each guest's console by name."""
    text = run_script(hypervisor, script_for(runs, tool, has_counters=hypervisor != "stock"), {run.name: run.kernel for run in runs}, max(run.memory_mib for run in runs), log,
                      counting=counting, limit_seconds=limit_seconds, cpus=cpus)
    consoles = {match[1]: match[2] for match in re.finditer(r"^@@guest (\S+)@@\n(.*?)^@@end@@$", text, re.M | re.S)}
    if missing := [run.name for run in runs if run.name not in consoles]:
        tail = "\n".join(text.splitlines()[-12:])
        raise RuntimeError(f"no word from {', '.join(missing)}; the console ({log}) ended in:\n{tail}")
    return consoles


def run_script(hypervisor: str, script: str, kernels: dict[str, Path], guest_memory_mib: int, log: Path, *, counting: bool,
               limit_seconds: int, cpus: int = 1) -> str:
    """Boots the machine with a script, kernels and the workload in /root, and returns the whole console when the machine is off."""
    files: dict[str, Path | str | bytes] = {f"/root/{name}": kernel for name, kernel in kernels.items()}
    files["/root/workload"] = build_initramfs()
    files["/root/cpu_time"] = build_cpu_time()
    options = ControlOptions(hypervisor=hypervisor, script=script, files=files)
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        initrd = Path(scratch, "initrd")
        build_initrd(options, initrd)
        memory = CONTROL_MEMORY_MIB + 256 + guest_memory_mib
        arguments = f"dom0_mem={CONTROL_MEMORY_MIB}M,max:{CONTROL_MEMORY_MIB}M console=com1 com1=115200,8n1 noreboot=0 loglvl=warning"
        kernel_arguments = "console=hvc0 loglevel=4 tessera.run=/root/script tessera.after=poweroff"
        machine = MachineOptions(kernel=hypervisor_path(hypervisor), kernel_arguments=arguments, memory_mib=memory, cpus=cpus,
                                 modules=[(control_image() / "vmlinuz", kernel_arguments), (initrd, "")], extra=COUNTING if counting else [])
        command = command_line(machine)
        if counting:
            command[command.index("tcg,thread=multi")] = "tcg,thread=single"
        with log.open("wb") as console:
            status = subprocess.run(["timeout", str(limit_seconds), *command], stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, check=False)
    if status.returncode == 124:
        raise RuntimeError(f"the machine was not done after {limit_seconds} s; its console is in {log}")
    return log.read_text(encoding="utf-8", errors="replace").replace("\r", "")


def figures_of(consoles: dict[str, str]) -> dict[str, Figures]:
    """Figures of each guest."""
    return {name: read_figures(console) for name, console in consoles.items()}
