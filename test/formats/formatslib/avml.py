"""LiME 1 and AVML 2 records, alone and mixed."""

from __future__ import annotations

import struct
from pathlib import Path

from formatslib import codecs
from formatslib.memory import Memory

BLOCK = 16 << 20
FRAME = 64 << 10


def header(magic: bytes, version: int, start: int, size: int) -> bytes:
    """The header that both kinds of record have."""
    return magic + struct.pack("<IQQQ", version, start, start + size - 1, 0)


def frames(data: bytes) -> bytes:
    """A Snappy stream: what does not shrink is stored as it is. The checksums are left 0."""
    parts = [b"\xff\x06\0\0sNaPpY"]
    for at in range(0, len(data), FRAME):
        plain = data[at:at + FRAME]
        packed = codecs.snappy(plain)
        kind, body = (0, packed) if len(packed) < len(plain) * 7 // 8 else (1, plain)
        parts.append(struct.pack("<I", kind | len(body) + 4 << 8) + bytes(4) + body)
    return b"".join(parts)


def record(start: int, data: bytes) -> bytes:
    """A compressed record."""
    stream = frames(data)
    return header(b"AVML", 2, start, len(data)) + stream + struct.pack("<Q", len(stream))


def write(memory: Memory, path: Path, mixed: bool = False) -> None:
    """What avml writes, blocks of zeros left out; when MIXED, every third record is not compressed."""
    with path.open("wb") as file:
        for index, (start, data) in enumerate(memory.pieces(BLOCK)):
            if not any(data[:4096]) and data == bytes(len(data)):
                continue
            if mixed and index % 3 == 0:
                file.write(header(b"EMiL", 1, start, len(data)) + data)
            else:
                file.write(record(start, data))


def write_lime(memory: Memory, path: Path, piece: int = 16 << 10) -> None:
    """A LiME file of very many records."""
    with path.open("wb") as file:
        for start, data in memory.pieces(piece):
            file.write(header(b"EMiL", 1, start, len(data)) + data)
