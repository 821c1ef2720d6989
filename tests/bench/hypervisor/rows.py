# SPDX-License-Identifier: MIT
"""The rows of the benchmark: what each measures, and the goal it is held to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. `key` is what the guest calls it; `unit` is what one operation costs."""

    key: str
    text: str
    goal: float
    unit: str = "instructions"


ROWS = (
    Row("unknown_hypercall", "unknown hypercall (pure entry and exit)", 95),
    Row("null_hypercall", "null hypercall, xen_version(0)", 110),
    Row("multicall_64", "per call inside a multicall of 64", 35),
    Row("stack_switch", "stack_switch", 110),
    Row("fpu_taskswitch", "fpu_taskswitch", 110),
    Row("set_segment_base", "set_segment_base", 110),
    Row("update_va_toggle", "update_va_mapping: toggle write access, no flush", 260),
    Row("update_va_toggle_invlpg", "update_va_mapping: the same with INVLPG", 260),
    Row("update_va_map_unmap", "update_va_mapping: map and unmap, average", 260),
    Row("mmu_update_1", "mmu_update: batch of 1", 280),
    Row("mmu_update_8", "mmu_update: per entry at 8", 130),
    Row("mmu_update_128", "mmu_update: per entry at 128", 85),
    Row("new_baseptr", "mmuext_op: new_baseptr", 200),
    Row("tlb_flush_local", "mmuext_op: tlb_flush_local", 200),
    Row("invlpg_local", "mmuext_op: invlpg_local", 200),
    Row("pin_unpin_62", "pin and unpin an L1 with 62 present entries", 6500),
    Row("int3", "int3 reflected to the guest, and iret", 260),
    Row("page_fault", "page fault reflected to the guest, and iret", 280),
    Row("read_cr0", "emulated read of CR0", 400),
    Row("rdmsr_fs_base", "emulated RDMSR of the FS base", 350),
    Row("cpuid_prefixed", "prefixed CPUID", 260),
    Row("user_system_call", "guest user, guest kernel, user: system call", 240),
    Row("event_pending", "event send: already pending", 150),
    Row("event_masked", "event send: fresh but masked", 165),
    Row("event_marks", "event send: marks the vCPU", 185),
    Row("event_upcall", "event send to self, upcall, iret", 380),
    Row("event_wakes", "event send that wakes a poller", 500),
    Row("wake_and_back", "send, wake, run, block, back (two switches)", 2200),
    Row("yield_alone", "yield, nobody else", 300),
    Row("yield_pair", "yield, pair with switch (two switches)", 1900),
    Row("grant_copy", "grant copy of 64 bytes, alone", 420),
    Row("grant_copy_16", "grant copy of 64 bytes, per operation in 16", 120),
    Row("grant_copy_16_pages", "the same between 16 pairs of pages", 420),
    Row("grant_map", "grant map", 400),
    Row("grant_unmap", "grant unmap", 400),
    Row("alloc_unbound", "alloc_unbound for a guest", 220),
    Row("create_first", "createdomain and max_vcpus(1), first", 9000),
    Row("create_per_existing", "the same, more per existing domain", 0),
    Row("populate_per_page", "populate_physmap per 4 KiB page", 650),
    Row("list_per_domain", "getdomaininfolist per domain", 100),
    Row("destroy_64_pages", "destroydomain, 64 pages", 15000),
    Row("boot", "reset to first instruction of the control domain (virtual ns)", 40_000_000, "ns"),
    Row("memory_per_domain", "hypervisor memory per one-vCPU guest", 24 * 1024, "bytes"),
)
