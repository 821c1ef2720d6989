# SPDX-License-Identifier: MIT
"""Devices on interrupt lines of the controllers, which need an end of interrupt, unlike messages."""

from __future__ import annotations

from harness.cases import Context, case, expect, expect_step

LINES = """
modprobe -a e1000
there() { grep -l DRIVER=e1000 /sys/class/net/*/device/uevent; }
step device wait_for 200 there
name="$(basename "$(dirname "$(dirname "$(there)")")")"
network() {
    ip address add 10.3.0.15/24 dev "$name" && ip link set "$name" up
    wait_for 200 ping -c 1 -W 1 -I "$name" 10.3.0.2
}
step network network
# every packet of a flood needs the line to be opened again by the end of the interrupt before
step flood ping -c 200 -i 0.01 -q -I "$name" 10.3.0.2
step interrupts grep "$name" /proc/interrupts
"""


@case()
def serves_level_triggered_lines(context: Context) -> None:
    """A network card without messages: hundreds of interrupts through one level-triggered line."""
    extra = ["-netdev", "user,id=c,net=10.3.0.0/24", "-device", "e1000,netdev=c"]
    result = context.run(LINES, machine_type="pc", extra=extra, kernel_arguments="tessera.services=none")
    expect_step(result, "device")
    expect_step(result, "network")
    expect_step(result, "flood", pattern=r"200 packets transmitted, \d+ received")
    interrupts = expect_step(result, "interrupts", pattern=r"xen-pirq\s+-ioapic-level")
    count = int(interrupts.output.split()[1])
    expect(count >= 100, f"only {count} interrupts for 200 packets: the line went dead")
