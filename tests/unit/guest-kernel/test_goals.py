# SPDX-License-Identifier: MIT
"""The judgement of the bench: each goal of the kit fails when the figures miss it, and only then."""

from __future__ import annotations

import unittest
from collections import Counter

from bench_guest import WORKLOADS, goals_missed
from lab.counters import Counters
from lab.workload import Figures


def figures(*, instructions: float = 1000.0, boot_ran: int = 1000, entries: int = 100, emulated: int = 0, writes: int = 0, boot_emulated: int = 100) -> Figures:
    """Figures that are the same for each workload."""
    steady = Counters(0, Counter({"Guest_syscall": entries - emulated - writes, "Emulated_rdmsr": emulated, "Page_table_write_emulated": writes}))
    boot = Counters(boot_ran, Counter({"Emulated_cpuid": boot_emulated}) if boot_emulated else Counter())
    return Figures({}, dict.fromkeys(WORKLOADS, instructions), dict.fromkeys(WORKLOADS, 10), True, boot, dict.fromkeys(WORKLOADS, steady))


class Goals(unittest.TestCase):
    """One figure at a time is made just too large."""

    before = figures()

    def missed(self, **changes: int) -> list[str]:
        """What is missed by figures that meet all goals but for these changes."""
        good = {"instructions": 850, "boot_ran": 700, "entries": 50, "boot_emulated": 20}
        return goals_missed(self.before, figures(**{**good, **changes}), counted=True)

    def test_figures_on_the_limit_meet_all(self) -> None:
        self.assertEqual(self.missed(), [])

    def test_each_goal_can_be_missed(self) -> None:
        self.assertEqual(self.missed(instructions=851), ["instructions of fork_exec_exit 15 % fewer"])
        self.assertEqual(self.missed(boot_ran=701), ["instructions from boot to init 30 % fewer"])
        self.assertEqual(self.missed(entries=51), ["entries of fork_exec_exit halved"])
        self.assertEqual(self.missed(boot_emulated=21), ["emulated instructions from boot to init a fifth"])
        self.assertEqual(len(self.missed(emulated=1)), len(WORKLOADS))
        self.assertEqual(len(self.missed(writes=1)), len(WORKLOADS))

    def test_where_nothing_is_counted_instructions_alone_are_judged(self) -> None:
        after = figures(instructions=851, boot_ran=700, entries=100, emulated=1)
        self.assertEqual(goals_missed(self.before, after, counted=False), ["instructions of fork_exec_exit 15 % fewer"])

    def test_missing_counters_are_a_miss(self) -> None:
        after = figures(instructions=850, boot_ran=700, entries=50, boot_emulated=0)
        self.assertEqual(goals_missed(self.before, after, counted=True), ["counters to judge by"])

    def test_a_boot_without_figures_is_missed(self) -> None:
        self.assertIn("instructions from boot to init 30 % fewer", self.missed(boot_ran=0))


if __name__ == "__main__":
    unittest.main()
