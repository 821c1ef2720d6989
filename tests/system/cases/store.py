# SPDX-License-Identifier: MIT
"""The store daemon under running guests: replaced by a live update, killed again and again, run by systemd."""

from __future__ import annotations

import re
from pathlib import Path

from harness import ROOT
from harness.cases import Context, case, expect, expect_step

from tesseraimage.elf import needed_libraries

OURS = ("bin/vmctl", "bin/tessera-store", "guest/micro/vmlinuz")

# Sent into the guest, and run in the control domain as well: both ask through their kernel's own connection, /dev/xen/xenbus.
# A message is type, request number, transaction and length, in 32 bits each, and the payload.
LOAD = r"""#!/bin/sh
exec 3<>/dev/xen/xenbus
number=100000
while number=$((number + 1)); do
    printf '\013\000\000\000\001\000\000\000\000\000\000\000\015\000\000\000data/n\000%s' "$number" >&3
    dd bs=4096 count=1 <&3 >/run/answer 2>/dev/null
    printf '\002\000\000\000\002\000\000\000\000\000\000\000\007\000\000\000data/n\000' >&3
    read=$(dd bs=4096 count=1 <&3 2>/dev/null | tail -c 6)
    [ "$read" = "$number" ] || echo "wrote $number, read $read" >>/run/wrong
    echo "$number" >/run/asked
done
"""

# A guest that writes to its disk, pings and asks the store all the time; the control domain's kernel asks as well.
START = """
TOOL=vmctl KERNEL=micro
. /usr/lib/tessera/guests.sh
modprobe -a loop ext4
guest_config one 10.77.0.11
guest_config two 10.77.0.12
mount -o loop /root/one.ext4 /mnt && cp /root/xenbus-load /mnt/root/ && umount /mnt
host_remember
step create guest_create one || exit 1
guest_watch one || exit 1
step login guest_login one 240 || exit 1
guest_run one 30 'touch /run/wrong; sh /root/xenbus-load </dev/null >/dev/null 2>&1 & true'
guest_run one 30 '(while dd if=/dev/zero of=/root/data bs=64k count=8 conv=fsync && ping -c 1 10.77.0.1; do echo >>/run/rounds; done) >/dev/null 2>&1 & true'
touch /run/wrong
sh /root/xenbus-load &
load=$!
step began wait_for 200 test -s /run/asked || exit 1
step guest-began guest_run one 60 'until [ -s /run/asked ] && [ -s /run/rounds ]; do usleep 10000; done' || exit 1
store_pid() { cat /run/xen/tessera-store.pid; }
asked() { cat /run/asked; }
asks_on() { [ "$(asked)" -gt "$1" ]; }
# both kernels get answers that they had not before
kernels_answered() {
    wait_for 100 asks_on "$(asked)" || return 1
    guest_run one 60 'asked=$(cat /run/asked); rounds=$(wc -l </run/rounds)
        until [ "$(cat /run/asked)" -gt "$asked" ] && [ "$(wc -l </run/rounds)" -gt "$rounds" ]; do usleep 10000; done; cat /run/wrong; echo going on'
}
step before kernels_answered || exit 1
"""

END = """
step check xenstore-control check
step mine cat /run/wrong
kill "$load"
xenstore-rm /local/domain/0/data
step create-two guest_create two || exit 1
guest_watch two || exit 1
step login-two guest_login two 240
step ping guest_run two 30 'ping -c 2 10.77.0.11'
step target xenstore-write "/local/domain/$(guest_domid one)/memory/target" 61440
step heard guest_run one 60 'until [ "$(cat /sys/devices/system/xen_memory/xen_memory0/target_kb)" = 61440 ]; do usleep 10000; done'
step list vmctl list
step shutdown vmctl shutdown one
step gone wait_for 300 guest_gone one
step destroy vmctl destroy two
wait_for 300 guest_gone two
step same host_settles
step log cat /var/log/xen/tessera-store.log
"""

UPDATE = START + """
xenstore-watch /tool/probe >/run/heard &
heard() { [ "$(grep -c /tool/probe /run/heard)" -ge "$1" ]; }
wait_for 100 heard 1
pid=$(store_pid)
for round in 1 2 3; do
    step "update-$round" xenstore-control live-update /usr/bin/tessera-store
    step "after-$round" kernels_answered || exit 1
    count=$(grep -c /tool/probe /run/heard)
    xenstore-write /tool/probe "$round"
    step "heard-$round" wait_for 100 heard "$((count + 1))"
done
step same-process test "$(store_pid)" = "$pid"
xenstore-rm /tool/probe
""" + END

KILL = START + """
tty=$(guest_tty one)
for round in 1 2 3; do
    pid=$(store_pid)
    kill -9 "$pid"
    fresh() { [ "$(store_pid)" != "$pid" ] && xenstore-read domid; }
    step "fresh-$round" wait_for 100 fresh
    # the console daemon was started again as well: the guest's console is at another place now
    moved() { [ -n "$(guest_tty one)" ] && [ "$(guest_tty one)" != "$tty" ] ; }
    wait_for 100 moved
    tty=$(guest_tty one)
    guest_watch one
    step "after-$round" kernels_answered || exit 1
done
""" + END


def run_store(context: Context, script: str) -> None:
    """Runs a script around START and END; checks what they say."""
    result = context.run(script, store="tessera-store", guests=("micro",), memory_mib=1024, dom0_memory_mib=512, cpus=2, time_limit=300,
                         files={"/root/xenbus-load": LOAD})
    for name in result.steps:
        expect_step(result, name)
    for name in ("before", "after-1", "after-2", "after-3"):
        output = expect_step(result, name, pattern="^going on$").output
        expect("wrote" not in output, f"the guest read something else than it had written: {output}")
    expect(not expect_step(result, "mine").output, "the control domain's kernel read something else than it had written")
    expect_step(result, "check", pattern="^OK$")
    expect_step(result, "ping", pattern="2 packets received")
    log = expect_step(result, "log").output
    for event in ("level=error", "level=warning"):
        expect(event not in log, f"the store's log has '{event}':\n{log}")
    wanted = "event=live-update" if script is UPDATE else "event=recovered"
    expect(len(re.findall(wanted, log)) == 3, f"the store's log should have three times '{wanted}':\n{log}")


@case(*OURS)
def store_is_updated_under_a_guest(context: Context) -> None:
    """Three live updates: no connection is lost, no answer is wrong, everything works afterwards."""
    run_store(context, UPDATE)


@case(*OURS)
def store_is_killed_under_a_guest(context: Context) -> None:
    """Three times kill -9: the kernels of guest and control domain wait a moment, and everything works afterwards."""
    run_store(context, KILL)


# systemd as the first process; its files come from this machine's package.
SYSTEMD = Path("/usr/lib/systemd")
SYSTEMD_PROGRAMS = (SYSTEMD / "systemd", SYSTEMD / "systemd-journald", Path("/usr/bin/systemctl"), Path("/usr/bin/journalctl"))
SYSTEMD_UNITS = ("basic.target", "sysinit.target", "shutdown.target", "umount.target", "final.target", "sockets.target", "timers.target",
                 "paths.target", "slices.target", "swap.target", "local-fs.target", "local-fs-pre.target", "systemd-journald.service",
                 "systemd-journald.socket", "systemd-journald-dev-log.socket")
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
OUR_UNITS = ("proc-xen.mount", "tessera-store.service")
UNITS = {
    "default.target": "[Unit]\nRequires=basic.target\nWants=systemd-journald.service script.service\n",
    "modules.service": "[Unit]\nDefaultDependencies=no\nBefore=proc-xen.mount\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                       "ExecStart=/usr/sbin/modprobe -a xenfs xen-evtchn xen-gntdev xen-privcmd\n",
    # stands for the console daemon: a client that has to be started again
    "xenconsoled.service": "[Unit]\nAfter=tessera-store.service\n[Service]\nExecStart=/usr/bin/xenstore-watch /tool/probe\n",
    "script.service": "[Unit]\nWants=modules.service tessera-store.service xenconsoled.service\nAfter=basic.target\n"
                      "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/hvc0\n"
                      "ExecStart=/usr/bin/bash -c '. /usr/lib/tessera/control.sh; run_script /root/script; power_off'\n",
}

UNDER_SYSTEMD = """
export SYSTEMD_PAGER=cat SYSTEMD_COLORS=0
property() { systemctl show --value --property "$1" "${2:-tessera-store}"; }
active() { [ "$(property ActiveState)/$(property SubState)" = active/running ]; }
step active wait_for 150 active || { systemctl show --property Result,ExecMainCode,ExecMainStatus tessera-store; journalctl --no-pager --lines 30; exit 1; }
step mount grep ' /proc/xen xenfs' /proc/mounts
step write xenstore-write /tool/kept yes
pid=$(property MainPID)
step status cat "/proc/$pid/status"
step read-only nsenter -t "$pid" -m sh -c '! touch /usr/forbidden && touch /run/tessera-store/allowed && ls -l /proc/xen'
# what the kernel writes through its ring when it meets the store
step kernel wait_for 100 xenstore-read control/feature-poweroff
step update xenstore-control live-update /usr/bin/tessera-store
answers() { xenstore-read /tool/kept; }
step updated wait_for 100 answers
step same test "$(property MainPID)" = "$pid"
step reload systemctl reload tessera-store
console=$(property MainPID xenconsoled)
again() { active && [ "$(property MainPID)" != "$pid" ]; }
for round in 1 2 3 4 5 6; do
    pid=$(property MainPID)
    kill -9 "$pid"
    step "again-$round" wait_for 200 again
    step "kept-$round" xenstore-read /tool/kept
done
console_again() { [ "$(property ActiveState xenconsoled)" = active ] && [ "$(property MainPID xenconsoled)" != "$console" ]; }
step console wait_for 200 console_again
step restarts property NRestarts
step check xenstore-control check
step stop systemctl stop tessera-store
step result property Result
step socket test ! -e /run/xenstored/socket
step journal journalctl --no-pager --output cat --unit tessera-store
"""


def systemd_files() -> dict[str, Path | str | bytes]:
    """systemd with the libraries it needs, the units that a boot needs, ours, and those of this test."""
    files: dict[str, Path | str | bytes] = {f"/etc/systemd/system/{name}": text for name, text in UNITS.items()}
    files["/etc/machine-id"] = "0123456789abcdef0123456789abcdef\n"
    files |= {f"/usr/lib/systemd/system/{name}": SYSTEMD / "system" / name for name in SYSTEMD_UNITS}
    files |= {f"/usr/lib/systemd/system/{name}": ROOT / "xenstore-like/tools" / name for name in OUR_UNITS}
    queue = list(SYSTEMD_PROGRAMS)
    while queue:
        path = queue.pop()
        if str(path) not in files:
            files[str(path)] = path
            for library in needed_libraries(path.read_bytes()):
                found = next((place / library for place in (LIBRARIES / "systemd", LIBRARIES) if (place / library).exists()), None)
                if found is not None and not library.startswith("ld-linux"):
                    queue.append(found)
    return files


@case("bin/tessera-store", extra=True)
def store_is_kept_by_systemd(context: Context) -> None:
    """The unit as it is shipped, with systemd as init: readiness, sandbox, live update, reload, six kills in a row, stop."""
    result = context.run(UNDER_SYSTEMD, files=systemd_files(), time_limit=240, dom0_memory_mib=640,
                         kernel_arguments="rdinit=/usr/lib/systemd/systemd systemd.show_status=no systemd.log_level=warning")
    for name in result.steps:
        expect_step(result, name)
    status = expect_step(result, "status").output
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        expect(line in status, f"the daemon's status has no '{line}':\n{status}")
    for round_ in range(1, 7):
        expect_step(result, f"kept-{round_}", pattern="^yes$")
    expect_step(result, "restarts", pattern="^6$")
    expect_step(result, "check", pattern="^OK$")
    expect_step(result, "result", pattern="^success$")
    journal = expect_step(result, "journal").output
    expect(journal.count("event=ready") == 8 and journal.count("event=recovered") == 6, f"the journal tells another story:\n{journal}")
