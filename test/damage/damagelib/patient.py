"""A working copy of an image that is damaged and healed in place, as most damage touches little of a large file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PAGE = 4096
STEP = 1 << 20


class Original:
    """A sound image; never written to. It is read piece by piece: a program's peak of memory begins with its parent's."""

    def __init__(self, path: Path) -> None:
        """Opens the file."""
        self.path = path
        self._fd = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size
        self.pages = _data_pages(self._fd, self.size)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file; fewer at its end."""
        return os.pread(self._fd, size, offset)

    def number(self, offset: int, width: int) -> int:
        """A little-endian number."""
        return int.from_bytes(self.read(offset, width), "little")

    def find(self, needle: bytes, start: int, end: int) -> int:
        """Offset of the first `needle` that begins in a range; -1 if there is none."""
        for at in range(start, end, STEP):
            found = self.read(at, min(STEP, end - at) + len(needle) - 1).find(needle)
            if found >= 0:
                return at + found
        return -1


class Piece(NamedTuple):
    """Bytes of a sound image."""

    source: Original
    offset: int
    size: int


class Write(NamedTuple):
    """Bytes that replace those at an offset of the file."""

    offset: int
    data: bytes | Piece

    def content(self) -> bytes:
        """The bytes."""
        return self.data if isinstance(self.data, bytes) else self.data.source.read(self.data.offset, self.data.size)


@dataclass(frozen=True)
class Damage:
    """One way to spoil an image: what is written over it, and where it ends."""

    kind: str
    name: str
    writes: Sequence[Write] = ()
    size: int | None = None
    tells_losses: bool = False  # the page tables tell what can't be read any more


def _data_pages(fd: int, size: int) -> list[int]:
    """Offsets of the pages that are no holes of the file."""
    pages: list[int] = []
    at = 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:     # ENXIO: only a hole is left
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        pages.extend(range(begin & ~(PAGE - 1), at, PAGE))
    return pages


class Patient:
    """The copy. One damage at a time."""

    def __init__(self, original: Original, path: Path) -> None:
        """Copies the image to `path`, holes and all."""
        self.original = original
        self.path = path
        self._size = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._resize(original.size)

    def close(self) -> None:
        """Removes the copy."""
        os.close(self._fd)
        self.path.unlink()

    @contextmanager
    def damaged(self, damage: Damage) -> Iterator[Path]:
        """The path of the damaged image, which is sound again afterwards but for its size."""
        self._resize(self.original.size if damage.size is None else damage.size)
        try:
            for write in damage.writes:
                os.pwrite(self._fd, write.content(), write.offset)
            yield self.path
        finally:
            for write in damage.writes:
                size = len(write.data) if isinstance(write.data, bytes) else write.data.size
                os.pwrite(self._fd, self.original.read(write.offset, size), write.offset)
            if damage.size is None:
                os.ftruncate(self._fd, self.original.size)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes as they are now; fewer at the end of the file."""
        return os.pread(self._fd, size, offset)

    def _resize(self, size: int) -> None:
        """Cuts the copy, or gives back what was cut off."""
        for at in range(self._size, size, STEP):
            part = self.original.read(at, min(STEP, size - at))
            if part.count(0) < len(part):
                os.pwrite(self._fd, part, at)
        os.ftruncate(self._fd, size)
        self._size = size
