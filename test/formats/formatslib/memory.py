"""The memory that the writers turn into other formats."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
ZERO_PAGE = bytes(PAGE)


class Memory:
    """Physical memory: a raw image and which parts of it are RAM, as the guest's /proc/iomem told."""

    def __init__(self, folder: Path) -> None:
        """Maps FOLDER/image.raw."""
        self.path = folder / "image.raw"
        with self.path.open("rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.size = len(self.bytes)
        self.ranges = [(0, self.size)]
        iomem = folder / "truth/iomem"
        if iomem.exists():
            self.ranges = list(self._system_ram(iomem.read_text()))

    def _system_ram(self, text: str) -> Iterator[tuple[int, int]]:
        for line in text.splitlines():
            addresses, _, name = line.partition(" : ")
            if name == "System RAM" and not line.startswith(" "):
                start, last = (int(part, 16) for part in addresses.split("-"))
                yield start, min(last + 1, self.size)

    def pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """All RAM in pieces of at most SIZE bytes, each with its address."""
        for start, end in self.ranges:
            for at in range(start, end, size):
                yield at, self.bytes[at:min(at + size, end)]

    def pages(self) -> Iterator[tuple[int, bytes]]:
        """All whole pages of RAM by number."""
        for start, end in self.ranges:
            for page in range(-(-start // PAGE), end // PAGE):
                yield page, self.bytes[page * PAGE:(page + 1) * PAGE]
