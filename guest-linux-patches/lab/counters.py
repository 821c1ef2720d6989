# SPDX-License-Identifier: MIT
"""What `vmctl show --counters` said at the stops of a workload: entries into the hypervisor by cause, at boot and per workload."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

EMULATED = ("Emulated_io", "Emulated_control_register", "Emulated_debug_register", "Emulated_rdmsr", "Emulated_wrmsr", "Emulated_cpuid",
            "Emulated_other")
WRITE_EMULATED = "Page_table_write_emulated"
REFLECTED = ("Fault_reflected_page", "Fault_reflected_protection", "Fault_reflected_other")
# Upcalls happen on the way out of an entry, and the rows of a group count what its hypercall has counted already.
OTHER_ENTRIES = ("Unknown_hypercall", "Guest_syscall", "Interrupt")
IN_MULTICALL = "Call_in_multicall"


@dataclass
class Counters:
    """Counts by cause, and for how many nanoseconds the guest had run."""

    ran: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def since(self, before: Counters) -> Counters:
        """What was added after `before`."""
        causes = Counter({cause: count - before.causes[cause] for cause, count in self.causes.items() if count != before.causes[cause]})
        return Counters(self.ran - before.ran, causes)

    @property
    def emulated(self) -> int:
        """Emulated instructions."""
        return sum(self.causes[cause] for cause in EMULATED)

    @property
    def writes_emulated(self) -> int:
        """Emulated writes of page-table entries."""
        return self.causes[WRITE_EMULATED]

    @property
    def entries(self) -> int:
        """Entries into the hypervisor for whatever cause."""
        calls = sum(count for cause, count in self.causes.items() if cause.startswith("hypercall."))
        others = sum(self.causes[cause] for cause in (*OTHER_ENTRIES, *REFLECTED))
        return calls - self.causes[IN_MULTICALL] + others + self.emulated + self.writes_emulated


def read_stops(console: str) -> tuple[Counters, dict[str, Counters]]:
    """The counters at init, and of each workload those that its measured rounds added."""
    boot, steady, begin = Counters(), {}, Counters()
    for match in re.finditer(r"^@@stop (\w+)@@\n(.*?)(?=^@@|\Z)", console, re.M | re.S):
        now = Counters()
        for line in match[2].splitlines():
            if found := re.fullmatch(r"ran: (\d+)", line):
                now.ran = int(found[1])
            elif found := re.fullmatch(r"([\w.]+),(\d+)", line):
                now.causes[found[1]] = int(found[2])
        if match[1] == "init":
            boot = now
        elif match[1] == "begin":
            begin = now
        else:
            steady[match[1]] = now.since(begin)
    return boot, steady
