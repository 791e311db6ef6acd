"""kdump and diskdump files and their flattened form."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from formatslib.memory import PAGE, ZERO_PAGE, Memory

FLAGS = {"none": 0, "zlib": 1, "lzo": 2, "snappy": 4, "zstd": 0x20}
DESCRIPTOR = struct.Struct("<QIIQ")


def bitmap(pages: set[int], size: int) -> bytes:
    """A bit for each page."""
    bits = bytearray(size)
    for page in pages:
        bits[page // 8] |= 1 << page % 8
    return bytes(bits)


def header(signature: bytes, version: int, bitmap_blocks: int, max_page: int) -> bytes:
    """The first block."""
    utsname = b"".join(word.ljust(65, b"\0") for word in (b"Linux", b"guest", b"6.1", b"#1", b"x86_64", b""))
    fixed = signature + struct.pack("<i", version) + utsname
    return (fixed.ljust(424, b"\0") + struct.pack("<IiiIIIIIIi", 1, PAGE, 1, bitmap_blocks, max_page, 0, 0, 0, 0, 1)
            ).ljust(PAGE, b"\0")


def sub_header(version: int, level: int, max_page: int, vmcoreinfo: tuple[int, int], split: int = 0) -> bytes:
    """The second block."""
    text = vmcoreinfo if version >= 3 else (0, 0)
    last = max_page if version >= 6 else 0
    return struct.pack("<QiiQQQQQQQQQQQ", 0, level, split, 0, 0, *text, 0, 0, 0, 0, 0, 0, last).ljust(PAGE, b"\0")


def writes(memory: Memory, codec: str, pack: Callable[[bytes], bytes] | None, *, version: int = 6, level: int = 1,
           signature: bytes = b"KDUMP   ", split: int = 0) -> list[tuple[int, bytes]]:
    """The file as (offset, bytes), in the order that makedumpfile writes; with LEVEL 1 pages of zeros are left out."""
    ram = dict(memory.pages())
    held = {page: data for page, data in ram.items() if not (level & 1 and data == ZERO_PAGE)}
    max_page = -(-memory.size // PAGE)
    blocks = -(-(-(-max_page // 8)) // PAGE)
    max_field = 0xFFFFFFFF if version >= 6 else max_page
    first = [header(signature, version, 2 * blocks, max_field), sub_header(version, level, max_page, (0, 0), split),
             bitmap(set(ram), blocks * PAGE), bitmap(set(held), blocks * PAGE)]
    start = sum(map(len, first))
    offset = start + len(held) * DESCRIPTOR.size
    descriptors, bodies = [], []
    for page in sorted(held):
        packed = pack(held[page]) if pack else held[page]
        body, flags = (packed, FLAGS[codec]) if len(packed) < PAGE else (held[page], 0)
        descriptors.append(DESCRIPTOR.pack(offset, len(body), flags, 0))
        bodies.append(body)
        offset += len(body)
    return [(0, first[0]), (start, b"".join(descriptors)), (start + len(descriptors) * DESCRIPTOR.size, b"".join(bodies)),
            (PAGE, b"".join(first[1:]))]


def write(parts: list[tuple[int, bytes]], path: Path) -> None:
    """The file as it is."""
    with path.open("wb") as file:
        for offset, data in parts:
            file.seek(offset)
            file.write(data)


def write_flat(parts: list[tuple[int, bytes]], path: Path, piece: int = 16 << 10) -> None:
    """The flattened file, with a first part that is written anew later."""
    with path.open("wb") as file:
        file.write((b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)).ljust(4096, b"\0"))
        file.write(struct.pack(">qq", 0, 8192) + b"\xaa" * 8192)
        for offset, data in parts[::-1]:
            for at in range(0, len(data), piece):
                part = data[at:at + piece]
                file.write(struct.pack(">qq", offset + at, len(part)) + part)
        file.write(struct.pack(">qq", -1, -1))
