# SPDX-License-Identifier: MIT
"""The control domain: boots on every machine and CPU model, its devices work, it powers off and reboots."""

from __future__ import annotations

from harness.cases import Context, case, expect, expect_step

LOOK_AROUND = """
step kernel uname -r
step cpus nproc
step memory awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo
step hypervisor cat /sys/hypervisor/type /proc/xen/capabilities
"""


def check_boot(context: Context, machine: str, cpu: str, cpus: int, memory: int) -> None:
    """Boots once and looks at what the kernel found."""
    with context.boot(context.options("load_modules\n" + LOOK_AROUND, kernel_arguments="tessera.services=none",
                                      machine_type=machine, cpu=cpu, cpus=cpus, memory_mib=memory,
                                      dom0_memory_mib=min(512, memory * 5 // 8))) as domain:
        result = domain.wait_for_script(150)
        text = f"{machine}, {cpu}, {cpus} CPUs, {memory} MiB"
        expect_step(result, "kernel", pattern=r"^6\.1\.")
        expect(int(expect_step(result, "cpus").output) == cpus, f"{text}: kernel sees another number of CPUs")
        expect_step(result, "hypervisor", pattern=r"^xen\n.*control_d")
        expect(domain.machine.wait_for_end(20), f"{text}: power-off did not end the machine")


@case()
def boots_on_pc(context: Context) -> None:
    """The plain machine, one CPU."""
    check_boot(context, "pc", "qemu64", 1, 1024)


@case()
def boots_on_q35_with_two_cpus(context: Context) -> None:
    """The PCIe machine, two CPUs, the yardstick's CPU model."""
    check_boot(context, "q35", "qemu64,+rdrand", 2, 1024)


@case()
def boots_in_512_mib(context: Context) -> None:
    """The smallest machine that is promised."""
    check_boot(context, "pc", "qemu64", 1, 512)


@case()
def boots_on_everything_the_cpu_can_do(context: Context) -> None:
    """All features of QEMU's CPU, SMAP and SMEP included."""
    check_boot(context, "q35", "max", 2, 2048)


@case()
def boots_without_smap(context: Context) -> None:
    """The same without SMAP."""
    check_boot(context, "pc", "max,-smap", 1, 1024)


@case()
def boots_on_eight_cpus_and_16_gib(context: Context) -> None:
    """The largest machine that is promised."""
    check_boot(context, "q35", "qemu64,+rdrand", 8, 16384)


@case()
def reboots(context: Context) -> None:
    """The control domain's reboot resets the machine (QEMU ends, being told not to reboot)."""
    script = "sync; step reboot reboot -f; read -r forever </dev/hvc0"
    with context.boot(context.options(script, kernel_arguments="tessera.services=none")) as domain:
        domain.machine.wait_for("@@step reboot@@", 120)
        expect(domain.machine.wait_for_end(30), "the machine did not reset")


@case()
def answers_on_its_console(context: Context) -> None:
    """What is typed on the serial line reaches the control domain's shell."""
    with context.boot(context.options(None, kernel_arguments="tessera.services=none")) as domain:
        domain.machine.wait_for("@@tessera ready@@", 120)
        domain.machine.wait_for(r"control-domain# ", 30)
        for number in range(3):
            domain.machine.send(f"echo sum $((40 + {number}))\n")
            domain.machine.wait_for(rf"^sum {40 + number}$", 30)
