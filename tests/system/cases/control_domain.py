# SPDX-License-Identifier: MIT
"""The control domain: boots on every machine and CPU model, its devices work, it powers off and reboots."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from harness.cases import Context, case, expect, expect_step
from harness.control import ControlDomain, log_directory
from harness.qemu import Machine, MachineOptions
from make_iso import write_iso

from tesseraimage.components import control_disk

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


def provoke_panic(context: Context, arguments: str) -> ControlDomain:
    """Boots and asks the hypervisor to stop as a bug of its own would make it; returns when it has said why."""
    domain = context.boot(context.options("step stop xl debug-keys C", hypervisor_arguments=arguments, fatal=None))
    domain.machine.wait_for(r"^\(tessera\) \*\*\* Tessera stops: bug at .*: asked for by a command key", 120)
    return domain


@case()
def panic_tells_what_it_knows(context: Context) -> None:
    """A panic prints registers, a back-trace with names and the running domain's last hypercalls, then stops."""
    with provoke_panic(context, "noreboot") as domain:
        domain.machine.wait_for("Machine halted", 30)
        text = domain.machine.text
        for pattern in (r"rax [0-9a-f]+ rbx", r"cr0 [0-9a-f]+ cr2", r"Back-trace:", r"\] [^\n]*handlers::sysctl::debug_keys", r"\] handle_syscall\+0x",
                        r"Running: vCPU \d of domain 0", r"last hypercalls: .*sysctl\(") :
            expect(re.search(pattern, text) is not None, f"the panic does not tell '{pattern}'")
        expect(not domain.machine.wait_for_end(2), "the machine went on instead of stopping")


@case()
def panic_reboots_unless_told_otherwise(context: Context) -> None:
    """Without `noreboot` the machine is reset after a panic (QEMU ends, being told not to reboot)."""
    with provoke_panic(context, "noreboot=no") as domain:
        domain.machine.wait_for("Rebooting the machine", 30)
        expect(domain.machine.wait_for_end(60), "the machine did not reset")


@case()
def answers_on_its_console(context: Context) -> None:
    """What is typed on the serial line reaches the control domain's shell."""
    with context.boot(context.options(None, kernel_arguments="tessera.services=none")) as domain:
        domain.machine.wait_for("@@tessera ready@@", 120)
        domain.machine.wait_for(r"control-domain# ", 30)
        for number in range(3):
            domain.machine.send(f"echo sum $((40 + {number}))\n")
            domain.machine.wait_for(rf"^sum {40 + number}$", 30)


@case()
def boots_from_grub(context: Context) -> None:
    """GRUB loads everything by multiboot2 from the image that `make iso` writes."""
    with tempfile.TemporaryDirectory(prefix="tessera-") as scratch:
        image = Path(scratch, "image.iso")
        options = context.options("load_modules\n" + LOOK_AROUND, kernel_arguments="tessera.services=none")
        write_iso(image, options, timeout=0)
        machine = MachineOptions(extra=["-cdrom", str(image)])
        with Machine(machine, log_directory() / f"{context.name}.log", context.echo) as running:
            running.wait_for("@@tessera start@@", 150)
            running.wait_for(r"^6\.1\.", 60)
            running.wait_for("control_d", 60)
            running.wait_for(r"@@tessera exit 0@@", 60)


DEVICES = """
modprobe -a virtio_pci virtio_blk virtio_net nvme ahci sd_mod e1000e
disks_there() { [ -b /dev/vda ] && [ -b /dev/nvme0n1 ] && [ -b /dev/sda ]; }
step disks wait_for 200 disks_there
for disk in vda nvme0n1 sda; do
    step "read-$disk" head -c 16 "/dev/$disk"
    step "write-$disk" sh -c "seq 1 20000 >/run/data; dd if=/run/data of=/dev/$disk bs=4096 seek=16 conv=fsync 2>/dev/null
        echo 3 >/proc/sys/vm/drop_caches
        dd if=/dev/$disk bs=4096 skip=16 count=64 2>/dev/null | head -c $(seq 1 20000 | wc -c) | cmp - /run/data && echo same"
done
network() {
    ip address add "$2" dev "$1" && ip link set "$1" up
    # a fresh link may need a moment for its first answer
    wait_for 200 ping -c 1 -W 1 -I "$1" "$3"
}
name_of() { basename "$(dirname "$(dirname "$(grep -l "$1" /sys/class/net/*/device/uevent)")")"; }
step virtio-net network "$(name_of DRIVER=virtio_net)" 10.1.0.15/24 10.1.0.2
step e1000e network "$(name_of DRIVER=e1000e)" 10.2.0.15/24 10.2.0.2
step interrupts cat /proc/interrupts
"""


@case()
def drives_its_devices(context: Context) -> None:
    """virtio-blk, NVMe and AHCI read and write, virtio-net and e1000e ping, behind MSI(-X)."""
    with tempfile.TemporaryDirectory(prefix="tessera-") as scratch:
        extra = []
        for name in ("vda", "nvme0n1", "sda"):
            disk = Path(scratch, name)
            disk.write_bytes(f"disk {name:11}".encode() + bytes((8 << 20) - 16))
            extra += ["-drive", f"file={disk},format=raw,if=none,id={name}"]
        extra += ["-device", "virtio-blk-pci,drive=vda", "-device", "nvme,drive=nvme0n1,serial=1",
                  "-device", "ide-hd,drive=sda,bus=ide.0",
                  "-netdev", "user,id=a,net=10.1.0.0/24", "-device", "virtio-net-pci,netdev=a",
                  "-netdev", "user,id=b,net=10.2.0.0/24", "-device", "e1000e,netdev=b"]
        result = context.run(DEVICES, machine_type="q35", cpus=2, extra=extra, kernel_arguments="tessera.services=none")
    expect_step(result, "disks")
    for name in ("vda", "nvme0n1", "sda"):
        expect_step(result, f"read-{name}", pattern=f"^disk {name}")
        expect_step(result, f"write-{name}", pattern="^same$")
    expect_step(result, "virtio-net")
    expect_step(result, "e1000e")
    expect_step(result, "interrupts", pattern=r"xen-pirq\s+-msi-x.*nvme")


def check_root(context: Context, name: str, device: list[str]) -> None:
    """Boots with the root file system on a disk of the given kind."""
    root = control_disk()
    extra = ["-drive", f"file={root},format=raw,if=none,id=root,snapshot=on", *device]
    options = context.options(None, machine_type="q35", extra=extra, kernel_arguments=f"tessera.root={name} tessera.services=none")
    with context.boot(options) as domain:
        domain.machine.wait_for("@@tessera ready@@", 200)
        domain.machine.wait_for(r"control-domain# ", 60)
        domain.machine.send("grep ' / ' /proc/mounts; python3 --version\n")
        domain.machine.wait_for(rf"^{name} / ext4", 60)
        domain.machine.wait_for(r"^Python 3", 60)


@case()
def has_its_root_on_virtio(context: Context) -> None:
    """The whole Debian root on virtio-blk."""
    check_root(context, "/dev/vda", ["-device", "virtio-blk-pci,drive=root"])


@case(extra=True)
def has_its_root_on_nvme(context: Context) -> None:
    """The same on NVMe."""
    check_root(context, "/dev/nvme0n1", ["-device", "nvme,drive=root,serial=1"])


@case(extra=True)
def has_its_root_on_ahci(context: Context) -> None:
    """The same on AHCI."""
    check_root(context, "/dev/sda", ["-device", "ide-hd,drive=root,bus=ide.0"])
