"""Files that lie: each is written whole, changed in a place or two, and must be refused, or used with the loss named."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from formatslib import avml, codecs, elf, kdump, qemu, vmware, xen
from formatslib.check import Case, Checker, Failure
from formatslib.memory import PAGE, Memory

HUGE = 1 << 60


@dataclass
class Lie:
    """A change of a file, and what lkmfs must say of it."""

    name: str
    patches: list[tuple[int, bytes]]    # (offset, from the end if negative; bytes)
    words: str
    refused: bool = False               # else the rest is used
    cut: int = 0                        # bytes taken off the end


def word(value: int) -> bytes:
    """Eight bytes, little-endian."""
    return struct.pack("<Q", value)


def try_lie(checker: Checker, path: Path, lie: Lie) -> None:
    """Applies a lie, looks, and takes it back."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        undo = []
        for offset, data in lie.patches:
            file.seek(offset % size)
            undo.append((offset % size, file.read(len(data))))
            file.seek(offset % size)
            file.write(data)
        file.seek(size - lie.cut)
        tail = file.read()
        file.truncate(size - lie.cut)
        file.flush()
        try:
            (checker.refused if lie.refused else checker.doubted)(path, lie.words)
        except Failure as problem:
            raise Failure(f"{lie.name}: {problem}") from problem
        finally:
            file.seek(size - lie.cut)
            file.write(tail)
            for offset, data in reversed(undo):
                file.seek(offset)
                file.write(data)


def damaged(name: str, write: Callable[[Path], object], lies: Callable[[Path], list[Lie]]) -> Case:
    """A case of many lies about one file."""
    def check(checker: Checker, folder: Path) -> None:
        path = folder / "image"
        write(path)
        for lie in lies(path):
            try_lie(checker, path, lie)
    return f"bad-{name}", check


def lime_lies(memory: Memory, piece: int) -> list[Lie]:
    """The last record is the one to change: those after a bad one are lost."""
    start, data = list(memory.pieces(piece))[-1]
    last = -(32 + len(data))
    return [
        Lie("end far away", [(last + 16, word(start + HUGE - 1))], "52 bits"),
        Lie("end past the file", [(last + 16, word(start + (1 << 30) - 1))], "cut short"),
        Lie("descending", [(last + 8, word(start + 4096) + word(start))], "no valid header"),
        Lie("overlapping", [(last + 8, word(0x200000) + word(0x200000 + len(data) - 1))], "overlap"),
        Lie("other version", [(last + 4, struct.pack("<I", 9))], "no valid header"),
        Lie("zeros at the end", [(last, bytes(32))], "all-zero header"),
        Lie("cut", [], "cut short", cut=len(data) // 2),
        Lie("cut in a header", [], "cut short", cut=len(data) + 10),
        Lie("first one descending", [(8, word(0x5000) + word(0x1000))], "first header is damaged", refused=True),
        Lie("all addresses", [(8, word(0) + word(HUGE * 16 - 1))], "first header is damaged", refused=True),
        Lie("other first version", [(4, struct.pack("<I", 0x7FFFFFFF))], "version 2147483647", refused=True),
    ]


def avml_lies(path: Path) -> list[Lie]:
    """The last record and its frames, found from the last header on."""
    data = path.read_bytes()
    last = data.rindex(b"AVML\2\0\0\0")
    frame = last + 32 + 10
    first = 32 + 10
    return [
        Lie("frame claims more memory than a frame may", [(frame, b"\0" + (200).to_bytes(3, "little") + bytes(4) +
                                                            b"\xff\xff\xff\x7f")], "damaged compressed range"),
        Lie("frame claims another size", [(frame, b"\0" + (200).to_bytes(3, "little") + bytes(4) + b"\x80\x10")],
            "compressed range"),
        Lie("reserved frame", [(frame, b"\x55")], "damaged compressed range"),
        Lie("frame past the end", [(frame + 1, b"\xff\xff\xff")], "compressed range"),
        Lie("memory beyond all", [(last + 8, word(1 << 55) + word((1 << 55) + (1 << 24) - 1))], "52 bits"),
        Lie("cut", [], "cut short", cut=20000 if len(data) - last > 40000 else (len(data) - last) // 2),
        Lie("first frame is none", [(first - 10, b"\x02")], "holds no memory", refused=True),
    ]


def elf_lies(memory: Memory) -> list[Lie]:
    """The program headers of write(): a note, then the RAM; the last holds nearly all of it."""
    last = 64 + 56 * len(memory.ranges)
    return [
        Lie("filtered", [(last + 40, word(memory.size * 2))], "leave out"),
        Lie("cut", [], "cut short", cut=100_000),
        Lie("past the end", [(last + 8, word(HUGE))], "no Linux kernel|torn|no page tables", refused=True),
        Lie("beyond all addresses", [(last + 24, word(1 << 57))], "no Linux kernel|torn|no page tables", refused=True),
        Lie("note past the end", [(64 + 8, word(HUGE))], "notes"),
        Lie("note without end", [(64 + 32, word(HUGE))], "notes"),
        Lie("no headers", [(32, word(HUGE))], "program headers", refused=True),
    ]


def kdump_lies(path: Path) -> list[Lie]:
    """The descriptors of the pages that are read while opening are those of the kernel; all of them lie here."""
    data = path.read_bytes()
    blocks = struct.unpack_from("<I", data, 436)[0]
    table = (2 + blocks) * PAGE
    first = struct.unpack_from("<Q", data, table)[0]
    count = (first - table) // 24
    some = [(table + i * 24 + 8, struct.pack("<I", 17)) for i in range(count * 95 // 100, count, 3)]
    return [
        Lie("cut", [], "cut short", cut=300_000),
        Lie("block size", [(428, struct.pack("<I", 12345))], "headers are damaged", refused=True),
        Lie("sub header of many blocks", [(432, struct.pack("<I", 1 << 30))], "headers are damaged", refused=True),
        Lie("bitmap of many blocks", [(436, struct.pack("<I", 0xFFFFFFF0))], "headers are damaged", refused=True),
        Lie("too many pages", [(PAGE + 96, word(HUGE))], "headers are damaged", refused=True),
        Lie("no bitmap", [((2 + blocks // 2) * PAGE, bytes(blocks // 2 * PAGE))], "no Linux kernel|torn|no page tables",
            refused=True),
        Lie("one of several", [(PAGE + 12, struct.pack("<I", 1)), (PAGE + 80, word(0) + word(100))], "is missing",
            refused=True),
        Lie("pages of another size", some, "damaged or lie"),
    ]


def qemu_lies(_: Path) -> list[Lie]:
    """The start of the stream: configuration, sizes, pages."""
    sizes = 8 + 5 + 15 + 5 + 4 + 8
    pages = sizes + 8 + (7 + 8) + (9 + 8) + (21 + 8) + 8 + 5 + 5
    return [
        Lie("version", [(4, b"\0\0\0\x09")], "version 9", refused=True),
        Lie("absurd configuration", [(9, b"\x7f\xff\xff\xff")], "too long", refused=True),
        Lie("more RAM than all", [(sizes, struct.pack(">Q", HUGE | 4)), (sizes + 15, struct.pack(">Q", HUGE))],
            "absurd sizes", refused=True),
        Lie("a block larger than all", [(sizes + 15, struct.pack(">Q", HUGE))], "absurd sizes", refused=True),
        Lie("page outside", [(pages, struct.pack(">Q", HUGE | 8))], "outside of all RAM", refused=True),
        Lie("compressed pages", [(pages, struct.pack(">Q", 0x100000 | 0x40))], "compressed pages", refused=True),
        Lie("other block", [(pages + 9, b"nobody")], "not announce", refused=True),
        Lie("cut", [], "cut short", cut=1000),
    ]


def libvirt_lies(_: Path) -> list[Lie]:
    """The header before the stream."""
    return [
        Lie("endless description", [(20, b"\xff\xff\xff\xff")], "cut within its headers", refused=True),
        *(Lie(f"packed with {tool}", [(28, struct.pack("<I", kind))], f"| {tool} -dc >", refused=True)
          for kind, tool in ((1, "gzip"), (2, "bzip2"), (3, "xz"), (4, "lzop"), (5, "zstd"))),
        Lie("sparse", [(28, struct.pack("<I", 6))], "virsh dump", refused=True),
        Lie("unfinished", [(0, b"LibvirtQemudPart")], "unfinished", refused=True),
    ]


def vmware_lies(path: Path) -> list[Lie]:
    """Regions of a .vmsn with the memory inside."""
    head = path.open("rb").read(4096)
    groups = 12
    memory = struct.unpack_from("<Q", head, groups + 2 * 80 + 64)[0]
    count = head.index(b"regionsCount") + 12
    size = head.index(b"regionSize") + 10 + 4
    phys = head.index(b"regionPPN") + 9 + 4
    return [
        Lie("many groups", [(8, b"\xff\xff\xff\xff")], "damaged headers", refused=True),
        Lie("group past the end", [(groups + 2 * 80 + 64, word(HUGE))], "no memory", refused=True),
        Lie("many regions", [(count, b"\xff\xff\xff\xff")], "only 256 are used"),
        Lie("region past the end", [(size, b"\xff\xff\xff\x0f")], "cut short"),
        Lie("regions in one place", [(head.index(b"regionPPN", phys) + 13, b"\1\0\0\0")], "no page tables that fit|torn",
            refused=True),
        Lie("old", [(0, b"\xd0\xbe\xd0\xbe")], "32-bit VMware", refused=True),
        Lie("compressed memory", [(head.index(b"Memory") - 2, b"\xbe")], "compressed", refused=True),
        Lie("a group in itself", [(groups + 2 * 80 + 64, word(groups)), (memory, b"\0\0")], "no memory", refused=True),
    ]


def xen_lies(path: Path) -> list[Lie]:
    """Section headers and page numbers."""
    head = path.open("rb").read(64 * 7)
    numbers = struct.unpack_from("<Q", head, 64 + 3 * 64 + 24)[0]
    return [
        Lie("pages past the end", [(64 + 4 * 64 + 24, word(1 << 50))], "no memory", refused=True),
        Lie("numbers past the end", [(64 + 3 * 64 + 24, word(1 << 50))], "no memory", refused=True),
        Lie("absurd sections", [(64 + 3 * 64 + 24, word(1 << 63)), (64 + 4 * 64 + 32, word((1 << 64) - 1))],
            "damaged section headers", refused=True),
        Lie("names past the end", [(64 + 64 + 24, word(HUGE))], "without pages and their numbers", refused=True),
        Lie("one page twice", [(-8, word(0x2000))], "overlap"),
        Lie("cut", [], "cut short", cut=10_000),
        Lie("paravirtual", [(path.read_bytes().index(b".xen_pfn"), b".xen_p2m")], "paravirtual", refused=True),
    ] if numbers else []


def flat_lies(_: Path) -> list[Lie]:
    """Parts of a flattened kdump."""
    return [
        Lie("type", [(16, struct.pack(">q", 7))], "damaged header", refused=True),
        Lie("no end", [], "without its end mark", cut=16),
        Lie("without its headers, which came last", [], "a damaged one", cut=9000, refused=True),
        Lie("first part absurd", [(4096, struct.pack(">qq", 1 << 62, 1 << 62))], "holds nothing", refused=True),
        Lie("a part of negative size", [(4096 + 16 + 8192 + 8, struct.pack(">q", -5))], "a damaged one", refused=True),
    ]


def cases(memory: Memory, kernel: Callable[[Checker], elf.Kernel]) -> list[Case]:
    """All of them."""
    def elf_case(checker: Checker, folder: Path) -> None:
        elf.write(memory, kernel(checker), folder / "image")
        for lie in elf_lies(memory):
            try_lie(checker, folder / "image", lie)
    piece = 1 << 20
    snappy = codecs.AVAILABLE["snappy"]
    return [
        damaged("lime", lambda path: avml.write_lime(memory, path, piece), lambda _: lime_lies(memory, piece)),
        damaged("avml", lambda path: avml.write(memory, path), avml_lies),
        ("bad-elf", elf_case),
        damaged("kdump", lambda path: kdump.write(kdump.writes(memory, "snappy", snappy), path), kdump_lies),
        damaged("flattened", lambda path: kdump.write_flat(kdump.writes(memory, "snappy", snappy), path), flat_lies),
        damaged("qemu", lambda path: qemu.write(memory, path), qemu_lies),
        damaged("virsh", lambda path: qemu.write(memory, path, qemu.libvirt()), libvirt_lies),
        damaged("vmware", lambda path: vmware.write_inside(memory, path), vmware_lies),
        damaged("xen", lambda path: xen.write(memory, path), xen_lies),
    ]
