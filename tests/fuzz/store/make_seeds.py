#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the fuzzer's first inputs: well-formed requests of every kind, as streams and as ring contents."""
from __future__ import annotations

import argparse
import struct
from pathlib import Path

PAYLOADS: dict[int, bytes] = {
    0: b"quota\0set\0nodes\x005\0", 1: b"/\0", 2: b"/local\0", 3: b"/local/domain/1\0", 4: b"a\0token\0", 5: b"a\0token\0",
    6: b"\0", 7: b"T\0", 8: b"2\x001\x001\0", 9: b"1\0", 10: b"1\0", 11: b"a/b\0value", 12: b"a/c\0", 13: b"a\0",
    14: b"a\0n1\0r2\0", 17: b"1\0", 18: b"1\0", 19: b"1\x000\0", 21: b"\0", 22: b"/local\x000\0",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    messages = [struct.pack("<IIII", kind, 1, 0, len(body)) + body for kind, body in PAYLOADS.items()]
    write = messages[list(PAYLOADS).index(11)]
    watch = messages[list(PAYLOADS).index(4)]
    for number, message in enumerate(messages):
        stream = watch + write + message + message
        for mode in (0, 1):
            (folder / f"stream-{mode}-{number}").write_bytes(bytes([mode]) + stream)
        padded = stream + bytes(-len(stream) % 8)
        (folder / f"ring-{number}").write_bytes(b"\2" + bytes([len(padded) // 8, 0, 0, 0]) + padded)
    inside = struct.pack("<IIII", 11, 1, 1, 5) + b"a/b\0v" + struct.pack("<IIII", 7, 1, 1, 2) + b"T\0"
    (folder / "transaction").write_bytes(b"\1" + struct.pack("<IIII", 6, 1, 0, 1) + b"\0" + inside)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
