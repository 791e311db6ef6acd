"""The C libraries of the codecs that Python's own library lacks."""

from __future__ import annotations

import ctypes
import zlib


def _library(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


_SNAPPY, _LZO, _ZSTD = (_library(name) for name in ("libsnappy.so.1", "liblzo2.so.2", "libzstd.so.1"))
_WORK = ctypes.create_string_buffer(1 << 18)


def _buffer(size: int) -> tuple[ctypes.Array, ctypes.c_size_t]:
    room = size + size // 3 + 256
    return ctypes.create_string_buffer(room), ctypes.c_size_t(room)


def snappy(data: bytes) -> bytes:
    """Raw Snappy, without framing."""
    out, size = _buffer(len(data))
    if _SNAPPY.snappy_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)):
        raise RuntimeError("snappy_compress")
    return out.raw[:size.value]


def lzo(data: bytes) -> bytes:
    """LZO1X-1."""
    out, size = _buffer(len(data))
    if _LZO.lzo1x_1_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size), _WORK):
        raise RuntimeError("lzo1x_1_compress")
    return out.raw[:size.value]


def zstd(data: bytes) -> bytes:
    """One zstd frame."""
    out, size = _buffer(len(data))
    _ZSTD.ZSTD_compress.restype = ctypes.c_size_t
    used = _ZSTD.ZSTD_compress(out, size, data, ctypes.c_size_t(len(data)), 1)
    return out.raw[:used]


def deflate(data: bytes) -> bytes:
    """A zlib stream."""
    return zlib.compress(data, 1)


AVAILABLE = {"zlib": deflate} | {
    name: function for name, library, function in (("snappy", _SNAPPY, snappy), ("lzo", _LZO, lzo), ("zstd", _ZSTD, zstd))
    if library
}
