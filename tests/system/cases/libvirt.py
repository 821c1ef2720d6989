# SPDX-License-Identifier: MIT
"""Debian's libvirtd and virsh, unmodified, in a control domain with its root on a disk: a guest's life from XML to undefine."""

from __future__ import annotations

from harness.cases import Context, case, expect_step

from tesseraimage.components import control_disk

LIFE = """
KERNEL=micro
. /usr/lib/tessera/guests.sh
virsh() { command virsh --connect xen:///system "$@"; }
TOOL="virsh --connect xen:///system"

# guest_xml NAME ADDRESS: a disk of its own and what libvirt is to make of it.
guest_xml() {
    cp /root/disk.ext4 "/root/$1.ext4"
    cat <<END >"/root/$1.xml"
<domain type='xen'>
  <name>$1</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os>
    <type machine='xenpv'>linux</type>
    <kernel>/root/vmlinuz-micro</kernel>
    <cmdline>console=hvc0 quiet root=/dev/xvda rw hostname=$1 ip=$2::10.77.0.1:255.255.255.0:$1:eth0:off</cmdline>
  </os>
  <devices>
    <disk type='file' device='disk'><source file='/root/$1.ext4'/><target dev='xvda' bus='xen'/></disk>
    <interface type='bridge'><mac address='00:16:3e:00:00:0b'/><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
END
}

# said NAME SECONDS PATTERN: waits for a line in what the program of that name prints into /run/NAME.said.
said() { wait_for "$(($2 * 10))" grep -q "$3" "/run/$1.said"; }

# virsh_console NAME COMMAND PATTERN: guest_console, but virsh throws away what is typed before it is connected.
virsh_console() {
    kill "$(cat "/run/$1.watcher")"
    mkfifo "/run/$1.keys"
    script --quiet --command "$TOOL console $1" /dev/null <"/run/$1.keys" >"/run/$1.said" 2>&1 &
    exec {keys}>"/run/$1.keys"
    said "$1" 60 'Escape character' && printf '%s\\n' "$2" >&"$keys" && said "$1" 30 "$3"
    found=$?
    printf '\\035' >&"$keys"
    exec {keys}>&-
    wait $!
    plain_text <"/run/$1.said"
    return "$found"
}

# nothing_left UUID: the store knows nothing of the guest and libxl of no guest at all.
nothing_left() { ! xenstore-ls -f / | grep -e "$1" -e '^/libxl/' -e '^/local/domain/[1-9]' -e '^/vm/'; }

# Debian's package libvirt-daemon-system would add this user and group; libvirtd's QEMU driver looks for them.
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
echo 'libvirt-qemu:x:64055:' >>/etc/group
host_remember
trap 'step daemon-log cat /run/libvirtd.said' EXIT
libvirtd >/run/libvirtd.said 2>&1 &
daemon=$!
step daemon wait_for 600 test -S /run/libvirt/libvirt-sock || exit 1
step version virsh version
step node virsh nodeinfo
step capabilities virsh capabilities
guest_xml one 10.77.0.11
step define virsh define one.xml
step defined virsh list --all
step start virsh start one || exit 1
virsh event --domain one --event lifecycle --loop >/run/events.said 2>&1 &
guest_watch one || exit 1
step running virsh list
step nodes xenstore-ls -f /
step info virsh dominfo one
step vcpus virsh vcpuinfo one
step disks virsh domblklist one
step interfaces virsh domiflist one
step login guest_login one 240 || exit 1
step command guest_run one 30 'uname -r; mount | grep " / "'
step network guest_run one 30 'ping -c 2 10.77.0.1'
step suspend virsh suspend one
step suspended virsh domstate --reason one
step paused xl list one
step resume virsh resume one
step alive guest_run one 30 'echo awake'
step console virsh_console one 'echo from-$((40 + 2))' '^from-42'
uuid=$(virsh domuuid one)
step shutdown virsh shutdown one
step stopped said events 120 Stopped
step events cat /run/events.said
step off virsh domstate --reason one
step undefine virsh undefine one
step create virsh create --paused one.xml
step transient virsh domstate --reason one
step destroy virsh destroy one
step none virsh list --all
step nothing nothing_left "$uuid"
kill "$daemon"
wait "$daemon"
step end echo "libvirtd ended with $?"
step same host_settles
"""

# What each step has to print; one that must only succeed has None.
CHECKS = {
    "daemon": None,
    "version": r"^Running hypervisor: Xen 4\.17\.0$",
    "node": r"^CPU\(s\): +1$",
    "capabilities": "<model>Nehalem</model>",
    "define": "^Domain 'one' defined",
    "defined": r"^ 0 +Domain-0 +running\n - +one +shut off$",
    "start": "^Domain 'one' started",
    "running": r"^ 1 +one +running$",
    "nodes": r"^/libxl/1/device/vif/0 = (.*\n)*^/local/domain/1/name = \"one\"$(.*\n)*^/vm/",
    "info": r"^State: +running\nCPU\(s\): +1\nCPU time: .*\nMax memory: +65536 KiB\nUsed memory: +65536 KiB$",
    "vcpus": r"^VCPU: +0\nCPU: +0\nState: +(running|blocked)$",
    "disks": r"^ xvda +/root/one\.ext4$",
    "interfaces": r"^ vif1\.0 +bridge +xenbr0 +\S+ +00:16:3e:00:00:0b$",
    "login": None,
    "command": r"^/dev/\w+ on / type ext4",
    "network": "2 packets received|2 received",
    "suspend": "^Domain 'one' suspended",
    "suspended": r"^paused \(user\)$",
    "paused": r"^one +1 +\d+ +1 +[-rb]*p",
    "resume": "^Domain 'one' resumed",
    "alive": "^awake$",
    "console": "^from-42$",
    "shutdown": "^Domain 'one' is being shutdown",
    "stopped": None,
    "events": r"Suspended Paused\n(.*\n)*.*Resumed Unpaused\n(.*\n)*.*Stopped",
    "off": r"^shut off \(shutdown\)$",
    "undefine": "^Domain 'one' has been undefined",
    "create": "^Domain 'one' created from one.xml",
    "transient": r"^paused ",
    "destroy": "^Domain 'one' destroyed",
    "none": r"^ 0 +Domain-0 +running\n+\Z",
    "nothing": r"\A\Z",
    "end": "^libvirtd ended with 0$",
    "same": None,
}


@case("bin/tessera-store", "guest/micro/vmlinuz", extra=True)
def libvirt_with_tessera_store(context: Context) -> None:
    """Connection, guest, console and events through virsh, with our store daemon."""
    extra = ["-drive", f"file={control_disk()},format=raw,if=none,id=root,snapshot=on", "-device", "virtio-blk-pci,drive=root"]
    # libvirt's list of CPU models has none for what stock Xen tells of QEMU's default model.
    result = context.run(LIFE, cpu="Nehalem", store="tessera-store", guests=("micro",), extra=extra, kernel_arguments="tessera.root=/dev/vda",
                         time_limit=420)
    for name, pattern in CHECKS.items():
        expect_step(result, name, pattern=pattern)
