# SPDX-License-Identifier: MIT
"""Creations that fail or are broken off, and guests that are started again: nothing lost, nothing left behind."""

from __future__ import annotations

from cases.guests import MICRO, TRY, run_guests
from harness.cases import Context, case, expect, expect_step

FAILED = TRY + """
guest_config one 10.77.0.11 1 32
guest_config two 10.77.0.12 1 32
change() { sed "$1" /root/two.cfg >/root/bad.cfg; }
step create guest_create one || exit 1
host_remember
change 's/^name.*/name = "one"/'; step same-name bad 4 vmctl create /root/bad.cfg
change 's/^memory.*/memory = 1700/'; step full-host bad 6 vmctl create /root/bad.cfg
change 's/^memory.*/memory = 3/'; step too-small bad 6 vmctl create /root/bad.cfg
step long-interface bad 2 vmctl create /root/bad.toml
: >/root/empty; echo 'ramdisk = "/root/empty"' | cat /root/two.cfg - >/root/bad.cfg
step empty-ramdisk bad 2 vmctl create /root/bad.cfg
head -c 5000 /root/vmlinuz-micro >/root/short; change 's/^kernel.*/kernel = "\\/root\\/short"/'
step dry-kernel bad 2 vmctl create --dry-run /root/bad.cfg
echo 'cpus = "0,99"' | cat /root/two.cfg - >/root/bad.cfg; step dry-cpus bad 2 vmctl create --dry-run /root/bad.cfg
"""

FAILED_TOML = """
cat >/root/bad.toml <<END
name = "two"
kernel = "/root/vmlinuz-micro"
memory = 32
[[network]]
interface = "sixteencharacter"
END
"""


@case(*MICRO)
def failed_creation_leaves_nothing_behind(context: Context) -> None:
    """What fails beside a running guest, or when a domain, disks and nodes exist already, is taken back wholly."""
    result = run_guests(context, FAILED_TOML + FAILED)
    for name in ("create", "full-host", "too-small", "long-interface", "empty-ramdisk", "dry-kernel", "dry-cpus"):
        expect_step(result, name)
    expect_step(result, "same-name", pattern=r"error 4 \(wrong-state\): the name 'one' is in use by domain \d+")


BROKEN_OFF = """
guest_config one 10.77.0.11 1 32
guest_create one && vmctl destroy one && wait_for 100 guest_gone one
host_remember
pause_for() { read -r -t "$1" -u "$clock_pipe"; }
# broken_off SIGNAL SECONDS: as an impatient user does it, several times.
broken_off() {
    vmctl create /root/one.cfg >/run/out 2>&1 &
    creator=$!
    pause_for "$2"
    kill -"$1" "$creator" 2>/dev/null
    for again in 1 2 3 4 5; do pause_for 0.01; kill -"$1" "$creator" 2>/dev/null; done
    wait "$creator"
    echo "after $2 s: code $?"
    wait_for 20 guest_gone one || vmctl destroy one # it came too late
    host_settles && return
    cat /run/out
    vmctl list
    return 1
}
series() { for seconds in 0.01 0.02 0.04 0.06 0.08 0.1 0.12 0.15 0.18 0.22 0.3; do broken_off "$1" $seconds || return 1; done; }
step term series TERM
step kill series KILL
"""


@case(*MICRO, extra=True)
def broken_off_creation_leaves_nothing_behind(context: Context) -> None:
    """Repeated SIGTERM is heard where all can be taken back; after SIGKILL the supervisor takes it back."""
    result = run_guests(context, BROKEN_OFF)
    expect_step(result, "term", pattern="code 1$")
    expect_step(result, "kill", pattern="code 137$")


RESTARTS = """
guest_config one 10.77.0.11 1 32
host_remember
supervisor() { : >/run/supervise.log; vmctl supervise >>/run/supervise.log 2>&1 & supervisor_pid=$!; }
state_is() { vmctl list one 2>/dev/null | grep -q "$1"; }
said() { grep -q "$1" /run/supervise.log; }
reboot_guest() { guest_type one 'reboot -f'; wait_for 300 state_is rebooting; }
kill "$(cat /run/xen/vmctl-supervise.pid)"
step create guest_create one || exit 1
guest_watch one
step login guest_login one 200 || exit 1
step reboot reboot_guest
supervisor
until [[ $(</run/supervise.log) == *'ended: reboot'* ]]; do :; done
kill "$supervisor_pid"
stopped() { ! kill -0 "$supervisor_pid" 2>/dev/null; }
step term wait_for 900 stopped
step log cat /run/supervise.log
step again wait_for 100 state_is 'blocked\\|running'

guest_watch one
guest_mark one
step login-again guest_login one 200
reboot_guest
mv /root/vmlinuz-micro /root/away
supervisor
step not-yet wait_for 100 said 'cannot be started again, will be tried again'
step told vmctl show one
mv /root/away /root/vmlinuz-micro
step later wait_for 300 state_is 'blocked\\|running'

guest_watch one
guest_mark one
guest_login one 200
mv /root/vmlinuz-micro /root/away
: >/run/supervise.log
guest_type one 'reboot -f'
step not-yet-again wait_for 300 said 'cannot be started again, will be tried again'
step given-up vmctl destroy one
mv /root/away /root/vmlinuz-micro
pause_for() { read -r -t "$1" -u "$clock_pipe"; }
pause_for 12
step stays-away guest_gone one
step same host_settles
"""


@case(*MICRO, extra=True)
def restarts_are_not_lost(context: Context) -> None:
    """A supervisor that is told to end while it restarts a guest does both; a restart that fails is tried again."""
    result = run_guests(context, RESTARTS)
    for name in ("create", "login", "reboot", "term", "again", "login-again", "not-yet", "later", "not-yet-again",
                 "given-up", "stays-away", "same"):
        expect_step(result, name)
    expect("not started again yet" in result.steps["told"].output, "vmctl show does not tell why the guest is not there")


CRASH_LOOP = """
guest_config one 10.77.0.11 1 32
sed -e 's/root=.dev.xvda/root=\\/dev\\/none panic=1/' -e '$a on_crash = "rename-restart"' -i /root/one.cfg
sed -i 's/^on_reboot.*/on_reboot = "rename-restart"/' /root/one.cfg
host_remember
step create guest_create one || exit 1
given_up() { grep -q 'not started again' /var/log/xen/vmctl-supervise.log; }
step end wait_for 1200 given_up
step count sh -c "vmctl list | grep -c '^one'"
for id in $(vmctl list --format=csv | sed -n 's/^one[^,]*,\\([0-9]*\\),.*/\\1/p'); do vmctl destroy "$id"; done
step same host_settles
"""


@case(*MICRO, extra=True)
def crash_loop_ends(context: Context) -> None:
    """A guest that ends as soon as it starts and is kept each time does not fill the host."""
    result = run_guests(context, CRASH_LOOP)
    for name in ("create", "end", "same"):
        expect_step(result, name)
    expect_step(result, "count", pattern="^6$")


TWO_GUESTS = """
guest_config one 10.77.0.11 1 32
guest_config two 10.77.0.12 1 32
host_remember
step one guest_create one || exit 1
step two guest_create two || exit 1
"""

ODDITIES = TWO_GUESTS + """
cp /root/one.ext4 /root/one.ext4.old
mv /root/one.ext4 /root/renamed
step destroy vmctl destroy one
record=/run/tessera/guests/$(guest_domid two).json
mv "$record" /run/record; echo '{' >"$record"
step list vmctl list
mv /run/record "$record"
step destroy-two vmctl destroy two
for entry in /var/cache/tessera/kernels/*; do step "kept" test -s "$entry"; truncate -s 4096 "$entry"; done
step again vmctl create /root/two.cfg
step destroy-again vmctl destroy two
step same host_settles
step told vmctl show two
"""


@case(*MICRO, extra=True)
def odd_conditions_leave_nothing_behind(context: Context) -> None:
    """A disk's file is renamed while a guest runs on it; a record is damaged for a while, and the kept kernel for good."""
    result = run_guests(context, ODDITIES)
    for name in ("one", "two", "destroy", "destroy-two", "kept", "again", "destroy-again", "same"):
        expect_step(result, name)
    expect_step(result, "list", pattern="two")
    expect("damaged" in result.steps["list"].output, "vmctl list does not tell of the damaged record")
    expect("destroyed on request" in result.steps["told"].output, "nobody tells that it was destroyed")


LINGERING = TWO_GUESTS + """
for name in one two; do guest_watch "$name"; done
for name in one two; do step "login-$name" guest_login "$name" 200 || exit 1; done
first=$(guest_domid one)
guest_type one '(sleep 8; reboot -f) & echo rea""dy'
guest_type two '(sleep 9; poweroff -f) & echo rea""dy'
for name in one two; do step "ready-$name" wait_for 50 grep -q ready "/run/$name.console"; done
daemon=$(cat /run/xen/xenconsoled.pid)
kill -STOP "$daemon" # keeps the pages of both mapped, whatever becomes of them
started_again() { now=$(guest_domid one) && [ "$now" != "$first" ]; }
step again wait_for 250 started_again
step gone wait_for 100 guest_gone two
step list vmctl list
kill -CONT "$daemon"
vmctl destroy one
step same wait_for 400 host_as_before
step log cat /var/log/xen/vmctl-supervise.log
"""


@case(*MICRO, extra=True)
def lingering_domain_holds_nobody_up(context: Context) -> None:
    """Guests whose pages others still map are restarted and cleared away without anybody waiting for them."""
    result = run_guests(context, LINGERING)
    for name in ("one", "two", "ready-one", "ready-two", "again", "gone", "same"):
        expect_step(result, name)
    expect_step(result, "list", pattern="dying")
    told = result.steps["log"].output.count("still mapped by others")
    expect(1 <= told <= 3, f"that a domain lingers was told {told} times")
