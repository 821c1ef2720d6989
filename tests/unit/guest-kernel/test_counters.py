# SPDX-License-Identifier: MIT
"""What is read from a guest's stops: entries by cause at boot and in each workload's measured rounds."""

from __future__ import annotations

import unittest

from lab.counters import Counters, read_stops
from lab.workload import read_figures

CONSOLE = """
WORKLOAD stop init
WORKLOAD memory MemTotal:    50000 kB
WORKLOAD end mprotect rounds=10 ticks=5000
WORKLOAD all passed

@@stop init@@
ran: 1000
cause,count
Emulated_cpuid,36
Emulated_rdmsr,4
hypercall.mmu_update,5
@@stop begin@@
ran: 2000
cause,count
Emulated_cpuid,36
Emulated_rdmsr,4
hypercall.mmu_update,50
@@stop mprotect@@
ran: 7000
cause,count
Call_in_multicall,12
Emulated_cpuid,36
Emulated_rdmsr,4
Fault_reflected_page,7
Guest_syscall,20
Interrupt,1
Upcall,9
event_channel_op.send,3
hypercall.event_channel_op,3
hypercall.iret,27
hypercall.mmu_update,62
hypercall.multicall,4
"""


class Stops(unittest.TestCase):
    """The counters between the stops."""

    def test_boot_is_everything_up_to_init(self) -> None:
        boot, _ = read_stops(CONSOLE)
        self.assertEqual((boot.ran, boot.emulated, boot.writes_emulated, boot.entries), (1000, 40, 0, 45))

    def test_a_workload_has_what_its_rounds_added(self) -> None:
        _, steady = read_stops(CONSOLE)
        self.assertEqual(set(steady), {"mprotect"})
        self.assertEqual(steady["mprotect"].ran, 5000)
        self.assertEqual(steady["mprotect"].emulated, 0)
        self.assertNotIn("Emulated_cpuid", steady["mprotect"].causes)

    def test_calls_in_a_multicall_upcalls_and_rows_of_a_group_are_no_entries(self) -> None:
        _, steady = read_stops(CONSOLE)
        self.assertEqual(steady["mprotect"].entries, (3 + 27 + 12 + 4 - 12) + 7 + 20 + 1)

    def test_emulated_writes_are_entries_and_counted_apart(self) -> None:
        counters = Counters()
        counters.causes.update({"Page_table_write_emulated": 3, "Emulated_io": 2})
        self.assertEqual((counters.entries, counters.emulated, counters.writes_emulated), (5, 2, 3))

    def test_figures_carry_them(self) -> None:
        figures = read_figures(CONSOLE)
        self.assertTrue(figures.passed)
        self.assertEqual((figures.per_round["mprotect"], figures.rounds["mprotect"]), (500.0, 10))
        self.assertEqual(figures.steady["mprotect"].causes["Guest_syscall"], 20)


if __name__ == "__main__":
    unittest.main()
