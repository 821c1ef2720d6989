# SPDX-License-Identifier: MIT
"""Guests under vmctl and tessera-store: every kernel, several vCPUs, networks, many at once, nothing lost."""

from __future__ import annotations

import re

from harness.cases import Context, case, expect, expect_step
from harness.control import ScriptResult

OURS = ("bin/vmctl", "bin/tessera-store")
MICRO = (*OURS, "guest/micro/vmlinuz")
HEAD = "TOOL=vmctl KERNEL={kernel}\n. /usr/lib/tessera/guests.sh\n"


def run_guests(context: Context, script: str, kernel: str = "micro", **settings: object) -> ScriptResult:
    """Boots with two CPUs and our own store daemon, and runs a script with one guest kernel at hand."""
    defaults: dict[str, object] = {"store": "tessera-store", "guests": (kernel,), "memory_mib": 2048,
                                   "dom0_memory_mib": 640, "cpus": 2, "time_limit": 420}
    return context.run(HEAD.format(kernel=kernel) + script, **(defaults | settings))


LIFE = """
guest_config one 10.77.0.11 {vcpus}
host_remember
step create guest_create one || exit 1
step list vmctl list
step show vmctl show one
guest_watch one || exit 1
step login guest_login one 240 || exit 1
step cpus guest_run one 30 nproc
step disk guest_run one 30 'mount | grep " / "; seq 1 50000 >/root/data; sync; md5sum /root/data'
step network guest_run one 30 'ping -c 2 10.77.0.1'
step pause vmctl pause one
step resume vmctl resume one
step alive guest_run one 30 'echo awake'
step console guest_console one 'echo from-$((40 + 2))' '^from-42'
step shutdown vmctl shutdown one
step gone wait_for 600 guest_gone one
step same host_settles
"""


def check_life(context: Context, kernel: str, vcpus: int) -> None:
    """A guest's life with one kernel."""
    result = run_guests(context, LIFE.format(vcpus=vcpus), kernel)
    for name in ("create", "show", "login", "pause", "resume", "console", "shutdown", "gone", "same"):
        expect_step(result, name)
    expect_step(result, "list", pattern=r"\bone\b")
    expect_step(result, "cpus", pattern=rf"^{vcpus}$")
    expect_step(result, "disk", pattern=r"xvda on / type ext4|root on / type ext4")
    expect_step(result, "network", pattern="2 packets received")
    expect_step(result, "alive", pattern="^awake$")


@case(*MICRO)
def micro_kernel_lives(context: Context) -> None:
    """Our small kernel, one vCPU."""
    check_life(context, "micro", 1)


@case(*MICRO)
def micro_kernel_lives_on_four_vcpus(context: Context) -> None:
    """Our small kernel, four vCPUs on two CPUs."""
    check_life(context, "micro", 4)


@case(*OURS)
def cloud_kernel_lives_on_two_vcpus(context: Context) -> None:
    """Debian's cloud kernel, two vCPUs."""
    check_life(context, "cloud", 2)


@case(*OURS)
def generic_kernel_lives(context: Context) -> None:
    """Debian's generic kernel, the same as the control domain's."""
    check_life(context, "amd64", 1)


CRASH = """
guest_config one 10.77.0.11
sed -i 's/^on_reboot.*/on_crash = "destroy"/' /root/one.cfg
host_remember
step create guest_create one || exit 1
guest_watch one || exit 1
step login guest_login one 240 || exit 1
guest_type one 'echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger'
step gone wait_for 600 guest_gone one
step reason cat /var/log/xen/vmctl-supervise.log
step same host_settles
"""


@case(*OURS)
def crashed_guest_is_cleared_away(context: Context) -> None:
    """A guest's panic is noticed, reported with its reason, and leaves nothing behind."""
    result = run_guests(context, CRASH, "cloud")
    for name in ("create", "login", "gone", "same"):
        expect_step(result, name)
    expect_step(result, "reason", pattern="(?i)crash")


EIGHT = """
for number in 1 2 3 4 5 6 7 8; do
    guest_config "g$number" "10.77.0.$((10 + number))" 1 32
done
host_remember
for number in 1 2 3 4 5 6 7 8; do
    step "create-$number" guest_create "g$number"
done
for number in 1 2 3 4 5 6 7 8; do guest_watch "g$number"; done
for number in 1 2 3 4 5 6 7 8; do
    step "login-$number" guest_expect "g$number" 200 "g$number login:"
done
step each-other guest_login g1 30
step ping guest_run g1 60 'for n in 2 3 4 5 6 7 8; do ping -c 1 -W 5 10.77.0.1$n | grep -c "1 packets received"; done'
for number in 1 2 3 4 5 6 7 8; do vmctl destroy "g$number"; done
for number in 1 2 3 4 5 6 7 8; do wait_for 300 guest_gone "g$number"; done
step same host_settles
"""


@case(*MICRO)
def eight_guests_at_once(context: Context) -> None:
    """Eight guests boot at once on two CPUs and reach each other."""
    result = run_guests(context, EIGHT, dom0_memory_mib=768)
    for number in range(1, 9):
        expect_step(result, f"create-{number}")
        expect_step(result, f"login-{number}")
    lines = re.findall(r"^\d+$", expect_step(result, "ping").output, re.M)
    expect(lines == ["1"] * 7, f"not every guest answered: {lines}")
    expect_step(result, "same")


CYCLES = """
guest_config one 10.77.0.11 1 24
once() { guest_create one >/dev/null && vmctl destroy one && wait_for 100 guest_gone one; }
kernel_memory() { awk '/^(Slab|KernelStack|PageTables|Percpu|Shmem):/ { sum += $2 } END { print sum }' /proc/meminfo; }
eval "plain_$(declare -f host_state)"
host_counts() { plain_host_state; vmctl host info | grep free_pages; echo "event channels: $(ls /proc/irq | wc -l)"; }
for number in 1 2 3 4 5; do once || exit 1; done
host_state() { host_counts; }
host_remember
memory_before=$(kernel_memory)
count=0
while [ "$count" -lt 200 ]; do
    once || break
    count=$((count + 1))
done
step count echo "$count"
wait_for 100 guest_gone one
step same host_settles
step memory echo "$memory_before $(kernel_memory)"
"""


@case(*MICRO)
def two_hundred_cycles_lose_nothing(context: Context) -> None:
    """200 cycles of create and destroy leave everything where it was."""
    result = run_guests(context, CYCLES, time_limit=600)
    expect_step(result, "count", pattern="^200$")
    expect_step(result, "same")
    before, after = map(int, expect_step(result, "memory").output.split())
    expect(after < before + 4096, f"the control domain's kernel holds {after - before} KiB more than before")


# bad CODE COMMAND...: must fail with this code and a text, and leave the host as it was.
TRY = """
bad() {
    expected=$1
    shift
    "$@" >/run/out 2>&1
    code=$?
    cat /run/out
    host_settles || { echo "something was left behind"; return 101; }
    [ "$code" = "$expected" ] || { echo "exit code $code, expected $expected"; return 100; }
    grep -q "error" /run/out || { echo "no error text"; return 102; }
}
"""

BAD = TRY + """
guest_config one 10.77.0.11 1 32
wait_for 50 true
host_remember
change() { sed "$1" /root/one.cfg >/root/bad.cfg; }
step no-file bad 2 vmctl create /root/none.cfg
change 's/^kernel.*/kernel = "\\/root\\/none"/'; step no-kernel bad 2 vmctl create /root/bad.cfg
head -c 5000 /root/vmlinuz-micro >/root/short; change 's/^kernel.*/kernel = "\\/root\\/short"/'; step short-kernel bad 2 vmctl create /root/bad.cfg
echo 'ramdisk = "/root/none"' >/root/extra; cat /root/one.cfg /root/extra >/root/bad.cfg; step no-ramdisk bad 2 vmctl create /root/bad.cfg
echo 'colour = "green"' >/root/extra; cat /root/one.cfg /root/extra >/root/bad.cfg; step unknown-key bad 2 vmctl create /root/bad.cfg
echo 'memory = [' >/root/bad.cfg; step damaged bad 2 vmctl create /root/bad.cfg
change 's/^memory.*/memory = 0/'; step no-memory bad 2 vmctl create /root/bad.cfg
change 's/^memory.*/memory = 900000/'; step too-much-memory bad 6 vmctl create /root/bad.cfg
change 's/^disk.*/disk = ["file:\\/root\\/none.ext4,xvda,w"]/'; step no-disk bad 2 vmctl create /root/bad.cfg
step not-there bad 3 vmctl destroy nobody
"""


@case(*MICRO)
def bad_input_leaves_nothing_behind(context: Context) -> None:
    """Each wrong input gives an error, its exit code, and the host as it was before."""
    result = run_guests(context, BAD)
    expect(len(result.steps) == 10, f"only {len(result.steps)} of 10 inputs were tried")
    for name in result.steps:
        expect_step(result, name)
