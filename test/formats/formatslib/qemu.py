"""QEMU migration streams and the files of virsh save."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from formatslib.memory import PAGE, ZERO_PAGE, Memory

FILLED, SIZES, STORED, END, SAME_BLOCK = 2, 4, 8, 16, 32


def name(text: bytes) -> bytes:
    """A string with its length before it."""
    return bytes([len(text)]) + text


def section(kind: int, number: int, body: bytes, full: bool) -> bytes:
    """A section of the RAM, with its footer."""
    head = struct.pack(">BI", kind, number) + (name(b"ram") + struct.pack(">II", 0, 4) if full else b"")
    return head + body + struct.pack(">Q", END) + struct.pack(">BI", 0x7E, number)


def records(memory: Memory, block: bytes, first: int, last: int) -> Iterator[bytes]:
    """The pages from FIRST to LAST."""
    flag, prefix = 0, name(block)
    for page in range(first, last):
        data = memory.bytes[page * PAGE:(page + 1) * PAGE]
        if data == ZERO_PAGE:
            yield struct.pack(">Q", page * PAGE | FILLED | flag) + prefix + b"\0"
        else:
            yield struct.pack(">Q", page * PAGE | STORED | flag) + prefix + data
        flag, prefix = SAME_BLOCK, b""


def write(memory: Memory, path: Path, prefix: bytes = b"") -> None:
    """A stream of two passes: the first has old contents of some pages."""
    pages = memory.size // PAGE
    blocks = [(b"pc.ram", memory.size), (b"vga.vram", 2 * PAGE), (b"/rom@etc/acpi/tables", PAGE)]
    sizes = struct.pack(">Q", sum(size for _, size in blocks) | SIZES)
    sizes += b"".join(name(block) + struct.pack(">Q", size) for block, size in blocks)
    stale = struct.pack(">Q", 0x100000 | STORED) + name(b"pc.ram") + b"old!" * 1024
    video = struct.pack(">Q", PAGE | FILLED) + name(b"vga.vram") + b"\x77"
    with path.open("wb") as file:
        file.write(prefix + b"QEVM" + struct.pack(">I", 3))
        file.write(struct.pack(">BI", 7, 15) + b"pc-i440fx-7.2.x")
        file.write(section(1, 2, sizes, full=True))
        file.write(section(2, 2, stale + video + b"".join(records(memory, b"pc.ram", 0, pages // 2)), full=False))
        file.write(section(3, 2, b"".join(records(memory, b"pc.ram", pages // 2, pages)) +
                           b"".join(records(memory, b"pc.ram", 0, pages // 8)), full=False))
        file.write(struct.pack(">BI", 4, 3) + name(b"timer") + struct.pack(">II", 0, 2) + b"anything" * 100)


def libvirt(compressed: int = 0) -> bytes:
    """What virsh save writes before the stream."""
    xml = b"<domain type='kvm'><name>guest</name></domain>\0".ljust(4000, b"\0")
    return b"LibvirtQemudSave" + struct.pack("<IIIII", 2, len(xml), 1, compressed, 0) + bytes(56) + xml
