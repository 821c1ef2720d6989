# SPDX-License-Identifier: MIT
"""Reads from ELF files the shared libraries that they need, so that an image carries exactly those."""

from __future__ import annotations

import struct

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5


def needed_libraries(data: bytes) -> list[str]:
    """Returns the DT_NEEDED names of a little-endian ELF64 file; an empty list for static files and anything else."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    (program_offset,) = struct.unpack_from("<Q", data, 32)
    entry_size, entry_count = struct.unpack_from("<HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic: tuple[int, int] | None = None
    for index in range(entry_count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, program_offset + index * entry_size)
        if kind == PT_LOAD:
            loads.append((address, offset, size))
        elif kind == PT_DYNAMIC:
            dynamic = (offset, size)
    if dynamic is None:
        return []
    tags = []
    for position in range(dynamic[0], dynamic[0] + dynamic[1], 16):
        tag, value = struct.unpack_from("<QQ", data, position)
        if tag == DT_NULL:
            break
        tags.append((tag, value))
    strings_address = next((value for tag, value in tags if tag == DT_STRTAB), None)
    strings = next((offset + strings_address - address for address, offset, size in loads
                    if strings_address is not None and address <= strings_address < address + size), None)
    if strings is None:
        return []
    return [data[strings + value:data.index(b"\0", strings + value)].decode() for tag, value in tags if tag == DT_NEEDED]
