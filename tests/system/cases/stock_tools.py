# SPDX-License-Identifier: MIT
"""Debian's own tools, unmodified, in the control domain: xl, xenconsoled, xenstore-ls and both stock store daemons."""

from __future__ import annotations

from harness.cases import Context, case, expect_step

LIFE = """
TOOL=xl KERNEL=micro
. /usr/lib/tessera/guests.sh
guest_config one 10.77.0.11
host_remember
step info xl info
step list xl list
step create guest_create one || exit 1
step nodes xenstore-ls "/local/domain/$(guest_domid one)/device"
guest_watch one || exit 1
step login guest_login one 240 || exit 1
step command guest_run one 30 'uname -r; mount | grep " / "'
step network guest_run one 30 'ping -c 2 10.77.0.1'
step vcpus xl vcpu-list one
step pause xl pause one
step paused xl list one
step unpause xl unpause one
step alive guest_run one 30 'echo awake'
step dmesg xl dmesg
step credit xl sched-credit2 -d one -w 300
step console guest_console one 'echo from-$((40 + 2))' '^from-42'
step destroy xl destroy one
wait_for 100 guest_gone one
step same host_settles
"""


def check_life(context: Context, store: str, cpus: int) -> None:
    """A guest's life from create to destroy under one store daemon."""
    result = context.run(LIFE, hypervisor_arguments="loglvl=all", store=store, guests=("micro",), memory_mib=1024, dom0_memory_mib=512, cpus=cpus,
                         time_limit=420)
    expect_step(result, "info", pattern=r"^xen_major +: 4$")
    expect_step(result, "info", pattern=r"^xen_minor +: 17$")
    expect_step(result, "list", pattern=rf"^Domain-0 +0 +512 +{cpus} ")
    expect_step(result, "create")
    expect_step(result, "nodes", pattern="vif")
    expect_step(result, "login")
    expect_step(result, "command", pattern=r"^/dev/\w+ on / type ext4")
    expect_step(result, "network", pattern="2 packets received|2 received")
    expect_step(result, "vcpus", pattern=r"^one +\d+ +0 ")
    expect_step(result, "pause")
    expect_step(result, "paused", pattern=r"^one +\d+ +\d+ +1 +[-rb]*p")
    expect_step(result, "unpause")
    expect_step(result, "alive", pattern="^awake$")
    expect_step(result, "dmesg", pattern=".")
    expect_step(result, "credit")
    expect_step(result, "console")
    expect_step(result, "destroy")
    expect_step(result, "same")


@case("guest/micro/vmlinuz")
def xl_with_xenstored(context: Context) -> None:
    """The C store daemon."""
    check_life(context, "xenstored", 2)


@case("guest/micro/vmlinuz")
def xl_with_oxenstored(context: Context) -> None:
    """The OCaml store daemon."""
    check_life(context, "oxenstored", 1)


@case("bin/tessera-store", "guest/micro/vmlinuz")
def xl_with_tessera_store(context: Context) -> None:
    """Our store daemon under the stock tools."""
    check_life(context, "tessera-store", 1)
