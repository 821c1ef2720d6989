#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a bootable CD image: GRUB loads the hypervisor by multiboot2, Debian's kernel and the control domain's initramfs."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import ROOT
from harness.control import ControlOptions, build_initrd, hypervisor_path
from harness.qemu import MachineError

from tesseraimage.components import control_image

# The word "placeholder" stands where multiboot passes a file name, as in the entries that Debian writes for Xen.
MENU = """# SPDX-License-Identifier: MIT
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout={timeout}
menuentry "Tessera" {{
    multiboot2 /boot/tessera placeholder {hypervisor_arguments}
    module2 /boot/vmlinuz placeholder {kernel_arguments}
    module2 /boot/initrd
}}
"""


def write_iso(output: Path, options: ControlOptions, timeout: int = 3) -> None:
    """Writes the image to `output` in one step; raises MachineError or CalledProcessError when something is missing."""
    if shutil.which("grub-mkrescue") is None:
        raise MachineError("grub-mkrescue is not installed (hint: make setup)")
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = ["console=hvc0", options.kernel_arguments]
    if options.script is not None:
        arguments.append("tessera.run=/root/script")
    memory = options.dom0_memory_mib
    with tempfile.TemporaryDirectory(prefix="tessera-iso-") as scratch:
        boot = Path(scratch, "root", "boot")
        (boot / "grub").mkdir(parents=True)
        shutil.copyfile(hypervisor_path(options.hypervisor), boot / "tessera")
        shutil.copyfile(options.kernel or control_image() / "vmlinuz", boot / "vmlinuz")
        build_initrd(options, boot / "initrd")
        (boot / "grub" / "grub.cfg").write_text(MENU.format(
            timeout=timeout, kernel_arguments=" ".join(filter(None, arguments)),
            hypervisor_arguments=f"dom0_mem={memory}M,max:{memory}M console=com1 com1=115200,8n1 "
                                 f"{options.hypervisor_arguments}".strip()), encoding="utf-8")
        image = Path(scratch, "image.iso")
        subprocess.run(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", str(image), str(boot.parent), "--",
                        "-volid", "TESSERA"], check=True, capture_output=True)
        staged = output.with_suffix(".new")
        shutil.copyfile(image, staged)
        staged.rename(output)


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "tessera.iso")
    parser.add_argument("--hypervisor", default="tessera")
    parser.add_argument("--dom0-memory", type=int, default=512, metavar="MIB")
    parser.add_argument("--hypervisor-arguments", default="")
    parser.add_argument("--kernel-arguments", default="")
    arguments = parser.parse_args()
    options = ControlOptions(hypervisor=arguments.hypervisor, dom0_memory_mib=arguments.dom0_memory,
                             hypervisor_arguments=arguments.hypervisor_arguments, kernel_arguments=arguments.kernel_arguments)
    try:
        write_iso(arguments.output, options)
    except (MachineError, OSError) as error:
        print(f"make_iso: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"make_iso: grub-mkrescue failed:\n{error.stderr.decode(errors='replace')}", file=sys.stderr)
        return 1
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.0f} MB; boot it with\n"
          f"  qemu-system-x86_64 -m 1024 -cpu qemu64,+rdrand -display none -serial stdio -cdrom {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
