# SPDX-License-Identifier: MIT
"""Makes the scripts of the tree importable for their tests, and small source trees to try them on."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
for folder in (".ci", "hypervisor/configs", "tests/lint"):
    sys.path.insert(0, str(ROOT / folder))


def write_tree(root: Path, files: dict[str, str]) -> None:
    """Writes the files of a small tree."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
