"""Memory out of a stopped guest, in the formats that memory images come in."""

import os
import re
import struct
from pathlib import Path

from .qemu import Machine

_PAGE = 4096
_BLOCK = 256 * _PAGE
_LIME = struct.Struct("<IIQQ8x")        # magic, version, first address, last address


def _write_sparse(out: int, block: bytes, offset: int) -> None:
    """Write a block at an offset of an empty file, leaving holes where whole pages are zero."""
    if not block.strip(b"\0"):
        return
    for at in range(0, len(block), _PAGE):
        page = block[at:at + _PAGE]
        if page.strip(b"\0"):
            os.pwrite(out, page, offset + at)


def _make_sparse(path: Path) -> None:
    """Rewrite a file without its zero pages."""
    full = path.with_name(path.name + ".full")
    path.rename(full)
    with full.open("rb") as source, path.open("wb") as target:
        offset = 0
        while block := source.read(_BLOCK):
            _write_sparse(target.fileno(), block, offset)
            offset += len(block)
        target.truncate(offset)
    full.unlink()


def raw(machine: Machine, path: Path) -> None:
    """Physical memory, offset = address. The guests are small enough to have no hole below the end of their RAM."""
    memory = machine.qmp("query-memory-size-summary")["base-memory"]
    if memory > 2 << 30:
        raise ValueError("raw images of more than 2 GiB would need the hole below 4 GiB")
    machine.qmp("pmemsave", val=0, size=memory, filename=str(path))
    _make_sparse(path)


def elf(machine: Machine, path: Path) -> None:
    """QEMU's own ELF core of physical memory."""
    machine.qmp("dump-guest-memory", paging=False, protocol=f"file:{path}")
    _make_sparse(path)


def registers(machine: Machine, path: Path) -> None:
    """Every CPU's registers, as QEMU's monitor prints them."""
    path.write_text(machine.qmp("human-monitor-command", **{"command-line": "info registers -a"}).replace("\r\n", "\n"))


def system_ram(iomem: str) -> list[tuple[int, int]]:
    """The first and last address of each range of RAM in a /proc/iomem."""
    found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", iomem, re.M)
    return [(int(first, 16), int(last, 16)) for first, last in found]


def lime(image: Path, iomem: str, path: Path) -> None:
    """A LiME image, version 1, made from a raw one."""
    with image.open("rb") as source, path.open("wb") as target:
        offset = 0
        for first, last in system_ram(iomem):
            os.pwrite(target.fileno(), _LIME.pack(0x4C694D45, 1, first, last), offset)
            offset += _LIME.size
            source.seek(first)
            left = last + 1 - first
            while left:
                block = source.read(min(left, _BLOCK)).ljust(min(left, _BLOCK), b"\0")
                _write_sparse(target.fileno(), block, offset)
                offset += len(block)
                left -= len(block)
        target.truncate(offset)
