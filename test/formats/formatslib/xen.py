"""Xen's dump-core of an HVM guest."""

from __future__ import annotations

import struct
from pathlib import Path

from formatslib.memory import Memory


def write(memory: Memory, path: Path) -> None:
    """ELF sections only; now and then a number that stands for no page."""
    numbers, bodies = [], []
    for page, data in memory.pages():
        if page % 5000 == 0:
            numbers.append((1 << 64) - 1)
            bodies.append(b"\xee" * 4096)
        numbers.append(page)
        bodies.append(data)
    names = b"\0.shstrtab\0.note.Xen\0.xen_pfn\0.xen_pages\0"
    table = struct.pack(f"<{len(numbers)}Q", *numbers)
    at_names = 64 + 5 * 64
    at_pages = -(-(at_names + len(names)) // 4096) * 4096
    at_table = at_pages + len(bodies) * 4096
    sections = [(b"", 0, 0, 0), (b".shstrtab", 3, at_names, len(names)), (b".note.Xen", 7, 0, 0),
                (b".xen_pfn", 1, at_table, len(table)), (b".xen_pages", 1, at_pages, len(bodies) * 4096)]
    headers = b"".join(struct.pack("<IIQQQQIIQQ", names.index(name + b"\0"), kind, 0, 0, offset, size, 0, 0, 4096, 0)
                       for name, kind, offset, size in sections)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    ehdr = ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, len(sections), 1)
    with path.open("wb") as file:
        file.write((ehdr + headers + names).ljust(at_pages, b"\0"))
        file.writelines(bodies)
        file.write(table)
