# SPDX-License-Identifier: MIT
"""Boots the control domain with an overlay and collects what a handed-over script printed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from . import ROOT
from .qemu import Machine, MachineError, MachineOptions, patience

from tesseraimage.components import control_image, guest_image  # noqa: E402
from tesseraimage.overlay import Overlay  # noqa: E402

# What the console says when waiting on is pointless.
FATAL = r"^\(tessera\) \*\*\* Tessera stops.*|^\(tessera\).*domain 0 crashed.*|^\(XEN\) Panic on CPU.*|Kernel panic - not syncing.*|^\(XEN\) Hardware Dom0.*crashed.*"
OUR_PROGRAMS = ("vmctl", "tessera-store")


@dataclass
class ControlOptions:
    """How a control domain is booted; the defaults suit most tests."""

    hypervisor: str = "tessera"
    script: str | None = None
    store: str | None = None
    guests: tuple[str, ...] = ()
    files: dict[str, Path | str | bytes] = field(default_factory=dict)
    dom0_memory_mib: int = 512
    hypervisor_arguments: str = ""
    kernel_arguments: str = ""
    interactive: bool = False
    kernel: Path | None = None
    fatal: str | None = FATAL
    machine: MachineOptions = field(default_factory=MachineOptions)


@dataclass
class Step:
    """One `step` of a script: its output and exit code (None: it never ended)."""

    name: str
    output: str
    code: int | None


class ScriptResult:
    """What a script printed, as a whole and step by step."""

    def __init__(self, output: str, code: int, seconds: float) -> None:
        self.output = output
        self.code = code
        self.seconds = seconds
        self.steps: dict[str, Step] = {}
        for match in re.finditer(r"^@@step (.*?)@@\n(.*?)(?:@@done (\d+)@@$|(?=^@@step )|\Z)", output, re.M | re.S):
            self.steps[match[1]] = Step(match[1], match[2], int(match[3]) if match[3] is not None else None)

    def step(self, name: str) -> Step:
        """The step of that name; a clear error when the script never came to it."""
        if name not in self.steps:
            raise MachineError(f"the script never came to step '{name}' (steps: {', '.join(self.steps) or 'none'})")
        return self.steps[name]


def hypervisor_path(name: str) -> Path:
    """File of a hypervisor: 'stock', 'tessera', or a path."""
    if name == "stock":
        return control_image() / "xen"
    path = ROOT / "build" / "tessera" if name == "tessera" else Path(name)
    if not path.is_file():
        raise MachineError(f"hypervisor '{path}' is not there (hint: make all)")
    return path


def add_guest_files(overlay: Overlay, name: str) -> None:
    """Adds a guest kernel ('micro', 'cloud' or 'amd64') with its initramfs, and the guests' disk, to /root."""
    guest = guest_image()
    overlay.add_file("root/disk.ext4", guest / "disk.ext4")
    if name == "micro":
        micro = ROOT / "build" / "guest" / "micro" / "vmlinuz"
        if not micro.is_file():
            raise MachineError(f"guest kernel '{micro}' is not there (hint: make guest-kernel FLAVOUR=micro)")
        overlay.add_file("root/vmlinuz-micro", micro)
        return
    for part in ("vmlinuz", "initrd"):
        overlay.add_file(f"root/{part}-{name}", guest / f"{part}-{name}")


def build_initrd(options: ControlOptions, target: Path) -> None:
    """Writes the control domain's initramfs: the cached image and this run's overlay behind it."""
    image = control_image()
    overlay = Overlay(image)
    for program in OUR_PROGRAMS:
        path = ROOT / "build" / "bin" / program
        if path.is_file():
            overlay.add_program(path)
    if options.script is not None:
        overlay.add_file("root/script", f". /usr/lib/tessera/control.sh\nPATIENCE={patience():.0f}\n{options.script}", 0o755)
    for name in options.guests:
        add_guest_files(overlay, name)
    for name, source in options.files.items():
        overlay.add_file(name.lstrip("/"), source, 0o755)
    with open(target, "wb") as output:
        with open(image / "initrd", "rb") as base:
            shutil.copyfileobj(base, output, 1 << 20)
        output.write(overlay.finish())


class ControlDomain:
    """A booted control domain. Context manager; the files it made for QEMU vanish with it."""

    def __init__(self, options: ControlOptions, log: Path, echo: bool = False) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="tessera-")
        initrd = Path(self._scratch.name, "initrd")
        build_initrd(options, initrd)
        machine = options.machine
        machine.fatal = options.fatal
        machine.kernel = hypervisor_path(options.hypervisor)
        machine.kernel_arguments = (f"dom0_mem={options.dom0_memory_mib}M,max:{options.dom0_memory_mib}M console=com1 "
                                    f"com1=115200,8n1 noreboot loglvl=warning {options.hypervisor_arguments}").strip()
        arguments = ["console=hvc0", "loglevel=4", options.kernel_arguments]
        if options.script is not None:
            arguments += ["tessera.run=/root/script", f"tessera.after={'shell' if options.interactive else 'poweroff'}"]
        if options.store:
            arguments.append(f"tessera.store={options.store}")
        kernel = options.kernel or control_image() / "vmlinuz"
        machine.modules = [(kernel, " ".join(filter(None, arguments))), (initrd, "")]
        try:
            self.machine = Machine(machine, log, echo)
        except BaseException:
            self._scratch.cleanup()
            raise

    def __enter__(self) -> "ControlDomain":
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.stop()
        self._scratch.cleanup()

    def wait_for_script(self, limit: float | None = None) -> ScriptResult:
        """Waits until the handed-over script has ended."""
        begin = self.machine.wait_for(r"^@@tessera start@@\n", limit)
        started = self.machine.elapsed()
        end = self.machine.wait_for(r"@@tessera exit (\d+)@@", limit, begin.end())
        return ScriptResult(self.machine.text[begin.end():end.start()], int(end[1]), self.machine.elapsed() - started)


def log_directory() -> Path:
    """Where consoles are kept."""
    return Path(os.environ.get("TESSERA_LOGS") or ROOT / "build" / "logs" / "system")
