# SPDX-License-Identifier: MIT
"""Boots a machine in QEMU under a hypervisor, talks to its console and judges what it says."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "toolstack" / "image"))
