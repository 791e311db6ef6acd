"""ELF cores of a machine, as the kernel's /proc/vmcore and /proc/kcore have them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from formatslib.memory import Memory

MAP_START = 0xFFFFFFFF80000000
PT_LOAD, PT_NOTE = 1, 4
NOWHERE = (1 << 64) - 1


def note(name: bytes, kind: int, desc: bytes) -> bytes:
    """One note, padded."""
    name += b"\0"
    head = struct.pack("<III", len(name), len(desc), kind)
    return head + name + bytes(-len(name) % 4) + desc + bytes(-len(desc) % 4)


def file_header(count: int) -> bytes:
    """A header that program headers follow."""
    ident = b"\x7fELF\2\1\1" + bytes(9)
    return ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)


def program_header(kind: int, offset: int, virtual: int, physical: int, size: int) -> bytes:
    """One program header."""
    return struct.pack("<IIQQQQQQ", kind, 7, offset, virtual, physical, size, size, 0)


class Kernel:
    """What of the kernel's addresses a core tells."""

    def __init__(self, memory: Memory, vmcoreinfo: bytes, kallsyms: bytes) -> None:
        """Reads the start of the direct map out of the memory."""
        self.vmcoreinfo = vmcoreinfo
        self.phys_base = int(re.search(rb"NUMBER\(phys_base\)=(-?\d+)", vmcoreinfo)[1])
        at = self.symbol(kallsyms, b"page_offset_base") - MAP_START + self.phys_base
        self.direct_map = int.from_bytes(memory.bytes[at:at + 8], "little")
        self.text = self.symbol(kallsyms, b"_text")
        self.end = self.symbol(kallsyms, b"_end")

    @staticmethod
    def symbol(kallsyms: bytes, name: bytes) -> int:
        """Address of a symbol."""
        return int(re.search(rb"^([0-9a-f]+) . " + name + rb"$", kallsyms, re.M)[1], 16)


def write(memory: Memory, kernel: Kernel, path: Path) -> None:
    """What /proc/vmcore of a kdump kernel has."""
    info = note(b"VMCOREINFO", 0, kernel.vmcoreinfo)
    offset = 64 + 56 * (1 + len(memory.ranges))
    headers = [program_header(PT_NOTE, offset, 0, 0, len(info))]
    offset += len(info) + -(offset + len(info)) % 4096
    start_of_data = offset
    ranges = [(start & -4096, -(-end // 4096) * 4096) for start, end in memory.ranges]  # as fs/proc/vmcore.c rounds them
    for start, end in ranges:
        headers.append(program_header(PT_LOAD, offset, kernel.direct_map + start, start, end - start))
        offset += end - start
    with path.open("wb") as file:
        file.write(file_header(len(headers)) + b"".join(headers) + info)
        file.seek(start_of_data)
        for start, end in ranges:
            file.write(memory.bytes[start:end])


def write_kcore(memory: Memory, kernel: Kernel, path: Path) -> None:
    """What /proc/kcore has: virtual ranges at offsets that mirror them, some of no physical address."""
    info = note(b"CORE", 1, bytes(336)) + note(b"VMCOREINFO", 0, kernel.vmcoreinfo)
    base = kernel.direct_map
    text, end = kernel.text & -4096, -(-kernel.end // 4096) * 4096
    phys = text - MAP_START + kernel.phys_base
    # The real file mirrors all of the address space; here the kernel's text comes after the direct map.
    room = 0x3000
    after = room + memory.size
    segments = [
        (0xFFFFFFFFFF600000, NOWHERE, room, 4096),                      # vsyscall page
        (text, phys, after, end - text),                                # KCORE_TEXT
        (0xFFFFC90000000000, NOWHERE, 1 << 45, 0x1FFFFFFFFFFF),         # KCORE_VMALLOC
        (0xFFFFFFFFC0000000, NOWHERE, 1 << 46, 0x3F000000),             # modules
        *((base + start, start, room + start, stop - start) for start, stop in memory.ranges),
    ]
    headers = [program_header(PT_NOTE, 64 + 56 * (len(segments) + 1), 0, 0, len(info))]
    headers += [program_header(PT_LOAD, offset, *address, size)
                for *address, offset, size in segments]
    with path.open("wb") as file:
        file.write(file_header(len(headers)) + b"".join(headers) + info)
        for start, stop in memory.ranges:
            file.seek(room + start)
            file.write(memory.bytes[start:stop])
        file.seek(after)
        file.write(memory.bytes[phys:phys + end - text])
