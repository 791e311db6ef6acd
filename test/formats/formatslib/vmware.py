"""VMware's .vmem with .vmss, and .vmsn with the memory inside."""

from __future__ import annotations

import struct
from pathlib import Path

from formatslib.memory import PAGE, Memory


def item(name: str, indices: tuple[int, ...], value: int, size: int = 4) -> bytes:
    """A number."""
    tag = len(name) << 8 | len(indices) << 6 | size
    return struct.pack("<H", tag) + name.encode() + b"".join(struct.pack("<I", index) for index in indices) + \
        value.to_bytes(size, "little")


def block_header(name: str, indices: tuple[int, ...], size: int, padding: int) -> bytes:
    """What comes before a block of bytes."""
    tag = len(name) << 8 | len(indices) << 6 | 0x3F
    return struct.pack("<H", tag) + name.encode() + b"".join(struct.pack("<I", index) for index in indices) + \
        struct.pack("<QQH", size, size, padding) + bytes(padding)


def regions(memory: Memory) -> list[tuple[int, int, int]]:
    """(page in the file, page of memory, pages): the halves change places."""
    pages = memory.size // PAGE
    half = pages // 2
    return [(pages - half, 0, half), (0, half, pages - half)]


def state(memory: Memory, inside: bool) -> bytes:
    """A state file; the memory, if INSIDE, is to follow."""
    names = (b"Checkpoint", b"cpu", b"memory")
    start = 12 + 80 * len(names)
    cpu = block_header("CR64", (0,), 72, 3) + struct.pack("<9Q", 0x80050033, 0, 0, 0, 0x6F0, 0, 0, 0, 0) + bytes(2)
    found = regions(memory)
    body = item("regionsCount", (), len(found))
    for index, (in_file, in_memory, count) in enumerate(found):
        body += item("regionPageNum", (index,), in_file) + item("regionPPN", (index,), in_memory)
        body += item("regionSize", (index,), count)
    places = [start, start, start + len(cpu)]
    if inside:
        body += block_header("Memory", (0, 0), memory.size, 100)
    else:
        body += bytes(2)
    groups = b"".join(name.ljust(64, b"\0") + struct.pack("<QQ", place, 0) for name, place in zip(names, places))
    return struct.pack("<III", 0xBED2BED2, 8, len(names)) + groups + cpu + body


def write_memory(memory: Memory, file: object) -> None:
    """The regions in the order of the file."""
    for _, in_memory, count in sorted(regions(memory)):
        file.write(memory.bytes[in_memory * PAGE:(in_memory + count) * PAGE])


def write(memory: Memory, path: Path) -> None:
    """PATH.vmem and PATH.vmss."""
    path.with_suffix(".vmss").write_bytes(state(memory, inside=False))
    with path.with_suffix(".vmem").open("wb") as file:
        write_memory(memory, file)


def write_inside(memory: Memory, path: Path) -> None:
    """One .vmsn."""
    with path.open("wb") as file:
        file.write(state(memory, inside=True))
        write_memory(memory, file)
