# SPDX-License-Identifier: MIT
"""Programs of user mode that take other ways into their kernel than 64-bit ones."""

from __future__ import annotations

import subprocess

from harness import ROOT
from harness.cases import Context, case, expect, expect_step

SOURCE = ROOT / "tests" / "system" / "scripts" / "program32.S"
RUNS = """
step run /root/program32
step cpu grep -m1 vendor_id /proc/cpuinfo
"""


@case(extra=True)
def runs_32_bit_programs(context: Context) -> None:
    """By SYSCALL on an AMD, by SYSENTER on an Intel CPU, and by INT 0x80 on both."""
    output = ROOT / "build" / "tests"
    output.mkdir(parents=True, exist_ok=True)
    subprocess.run(["as", "--32", "-o", output / "program32.o", SOURCE], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-o", output / "program32", output / "program32.o"], check=True)
    for cpu, vendor in (("qemu64,+rdrand", "AuthenticAMD"), ("qemu64,+rdrand,vendor=GenuineIntel", "GenuineIntel")):
        result = context.run(RUNS, cpu=cpu, files={"/root/program32": output / "program32"},
                             kernel_arguments="tessera.services=none")
        lines = expect_step(result, "run").output.splitlines()
        expect(lines == ["from 32 bits"] * 2, f"{vendor}: printed {lines}")
        expect_step(result, "cpu", pattern=vendor)
