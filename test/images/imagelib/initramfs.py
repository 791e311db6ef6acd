"""Writes an initramfs: a cpio archive in the "newc" format the kernel unpacks."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


class Initramfs:
    """An uncompressed archive, filled one entry at a time. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self._out: BinaryIO = path.open("wb")
        self._inode = 0
        self._folders: set[str] = set()

    def __enter__(self) -> "Initramfs":
        return self

    def __exit__(self, *failure: object) -> None:
        if not failure[0]:
            self._entry("TRAILER!!!", 0, b"")
        self._out.close()

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        self._inode += 1
        path = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        for part in (header + path, data):
            self._out.write(part + bytes(-len(part) % 4))

    def _parents(self, name: str) -> None:
        for parent in reversed(Path(name).parents[:-1]):
            self.folder(str(parent))

    def folder(self, name: str) -> None:
        """A folder, once."""
        if name not in self._folders:
            self._folders.add(name)
            self._parents(name)
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """A file with these bytes, and the folders above it."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, source: Path, under: str = "") -> None:
        """Everything below a folder of this machine."""
        for folder, _, names in sorted(os.walk(source)):
            for name in sorted(names):
                path = Path(folder, name)
                inside = str(Path(under, path.relative_to(source)))
                if path.is_symlink():
                    self.link(inside, os.readlink(path))
                else:
                    self.file(inside, path.read_bytes(), path.stat().st_mode & 0o777)
