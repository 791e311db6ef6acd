"""Variants of an image: other containers, and damage."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterable
from pathlib import Path

from .process import run

LIME_HEADER = struct.Struct("<IIQQ8x")
LIME_MAGIC = 0x4C694D45
COPY = 1 << 24


def copy(source: Path, target: Path) -> Path:
    """A copy that is as sparse as it can be."""
    result = run(["cp", "--sparse=always", "--reflink=auto", source, target])
    if result.code:
        raise OSError(result.err)
    return target


def overwrite(path: Path, offset: int, data: bytes) -> Path:
    """Writes into a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    return path


def cut(source: Path, target: Path, size: int) -> Path:
    """A copy of the first `size` bytes."""
    os.truncate(copy(source, target), size)
    return target


def lime_ranges(path: Path) -> list[tuple[int, int, int]]:
    """Address, size and file offset of each range of a LiME file."""
    ranges, at = [], 0
    with path.open("rb") as file:
        while header := file.read(LIME_HEADER.size):
            magic, _, start, end = LIME_HEADER.unpack(header)
            if magic != LIME_MAGIC:
                raise ValueError(f"{path}: no LiME header at {at:#x}")
            ranges.append((start, end - start + 1, at + LIME_HEADER.size))
            at += LIME_HEADER.size + end - start + 1
            file.seek(at)
    return ranges


def is_zero(path: Path, offset: int, size: int) -> bool:
    """Whether a range of a file holds nothing but zeros."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size).count(0) == size


def _copy_range(source: int, offset: int, target: int, size: int) -> None:
    """Appends a range of one file to another, leaving zeros out."""
    while size:
        block = os.pread(source, min(size, COPY), offset)
        if not block:
            raise ValueError("the source is too short")
        if block.count(0) == len(block):
            os.ftruncate(target, os.lseek(target, len(block), os.SEEK_CUR))
        else:
            os.write(target, block)
        offset += len(block)
        size -= len(block)


def write_lime(lime: Path, target: Path, ranges: Iterable[tuple[int, int, int]], headers: bool = True) -> Path:
    """A LiME file of these ranges of another one, in this order; without headers what `format=raw` writes."""
    source = os.open(lime, os.O_RDONLY)
    output = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        for start, size, offset in ranges:
            if headers:
                os.write(output, LIME_HEADER.pack(LIME_MAGIC, 1, start, start + size - 1))
            _copy_range(source, offset, output, size)
    finally:
        os.close(source)
        os.close(output)
    return target


def split_ranges(ranges: Iterable[tuple[int, int, int]], size: int, seed: int = 1) -> list[tuple[int, int, int]]:
    """The same memory in ranges of at most `size` bytes, in random order."""
    parts = [(start + at, min(size, length - at), offset + at)
             for start, length, offset in ranges for at in range(0, length, size)]
    random.Random(seed).shuffle(parts)
    return parts


def drop_elf_notes(path: Path) -> Path:
    """Makes every PT_NOTE of an ELF core a PT_NULL."""
    with path.open("r+b") as file:
        header = file.read(64)
        (phoff,) = struct.unpack_from("<Q", header, 32)
        phentsize, phnum = struct.unpack_from("<HH", header, 54)
        dropped = 0
        for at in range(phoff, phoff + phentsize * phnum, phentsize):
            file.seek(at)
            if struct.unpack("<I", file.read(4)) == (4,):
                file.seek(at)
                file.write(bytes(4))
                dropped += 1
    if not dropped:
        raise ValueError(f"{path} has no notes")
    return path


def replace_all(path: Path, wanted: bytes, by: bytes) -> int:
    """Overwrites every occurrence of some bytes in a file; how many there were."""
    found, overlap = 0, len(wanted) - 1
    with path.open("r+b") as file:
        at, tail = 0, b""
        while block := file.read(COPY):
            window = tail + block
            base, where = at - len(tail), window.find(wanted)
            while where >= 0:
                os.pwrite(file.fileno(), by, base + where)
                found += 1
                where = window.find(wanted, where + len(wanted))
            at += len(block)
            tail = window[-overlap:]
    return found
