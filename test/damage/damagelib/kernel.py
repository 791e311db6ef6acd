"""The sound image as its kernel sees it: what lies where. It asks lkmfs for the roots only and walks the rest itself."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from .btf import Btf, Leaf
from .patient import PAGE, Original

PRESENT, LARGE = 1, 0x80
TABLES_MAX = 4 << 20
ADDRESS = 0x000F_FFFF_FFFF_F000
DIGITS = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00"    # as every kallsyms_token_table has them

Read = Callable[[int, int], bytes]


class Paging:
    """Page tables of x86_64 in a raw image."""

    def __init__(self, read: Read, root: int, levels: int) -> None:
        """`read` takes an offset and a size."""
        self._read = read
        self._root = root & ADDRESS
        self._levels = levels

    def entries(self, virtual: int) -> list[tuple[int, int]]:
        """Offsets and values of the entries that lead to an address, from the root on."""
        found, table = [], self._root
        for level in range(self._levels - 1, -1, -1):
            at = table + 8 * (virtual >> (12 + 9 * level) & 511)
            raw = self._read(at, 8)
            if len(raw) < 8:
                break
            entry = int.from_bytes(raw, "little")
            found.append((at, entry))
            if not entry & PRESENT or (entry & LARGE and level in (1, 2)):
                break
            table = entry & ADDRESS
        return found

    def physical(self, virtual: int) -> int | None:
        """Where an address is; None if it is not mapped."""
        entries = self.entries(virtual)
        if not entries or not entries[-1][1] & PRESENT:
            return None
        level = self._levels - len(entries)
        entry = entries[-1][1]
        if level and not entry & LARGE:
            return None     # a table lies outside the image
        mask = (1 << (12 + 9 * level)) - 1
        return (entry & ADDRESS & ~mask) | (virtual & mask)


class Kernel:
    """What is known of a sound image."""

    def __init__(self, lkmfs: Path, original: Original) -> None:
        """Asks lkmfs, which must take the image."""
        self._lkmfs = lkmfs
        self.original = original
        info = json.loads(self._ask("info", "--json"))
        kernel = info["kernel"]
        self.levels = 5 if "5-level" in kernel["paging"] else 4
        self.root = int(kernel["page_tables"], 16)
        self.paging = self.paging_of(original.read)
        self.text, self.text_physical = int(kernel["text_virtual"], 16), int(kernel["text_physical"], 16)
        self.end = int(kernel["image_end"], 16)
        self.symbol_count = kernel["symbols"]
        self.btf_address = int(re.search(r"at (0x[0-9a-f]+)", kernel["types_source"])[1], 16)
        self.modules: list[dict[str, Any]] = json.loads(self._ask("cat", "modules.json"))

    def _ask(self, command: str, *words: str) -> bytes:
        return subprocess.run([self._lkmfs, command, self.original.path, *words], check=True, capture_output=True).stdout

    def paging_of(self, read: Read) -> Paging:
        """The same page tables, read from elsewhere."""
        return Paging(read, self.root, self.levels)

    def info(self, module: str) -> dict[str, Any]:
        """What lkmfs says of a module."""
        return json.loads(self._ask("cat", f"info/{module}.json"))

    @cached_property
    def btf(self) -> Btf:
        """The kernel's types."""
        return Btf(self._ask("cat", "kernel/btf"))

    @cached_property
    def symbols(self) -> dict[str, int]:
        """The kernel's symbols."""
        lines = self._ask("cat", "kernel/kallsyms").decode("latin1").splitlines()
        return {words[2]: int(words[0], 16) for words in map(str.split, lines) if len(words) == 3}

    @cached_property
    def tokens(self) -> int:
        """Offset of kallsyms_token_table; -1 if it isn't found."""
        start, end = self.text_physical, self.text_physical + self.end - self.text
        while (digits := self.original.find(DIGITS, start, end)) >= 0:
            after = self.original.read(digits, 2048)
            index = 0
            for _ in range(ord("0"), 256):
                index = after.find(b"\0", index) + 1
            for table in range(index, index + 8):
                first, zero, one, nine = (struct.unpack_from("<H", after, table + 2 * token)[0]
                                          for token in (0, ord("0"), ord("1"), ord("9")))
                if first == 0 and one == zero + 2 and nine == zero + 18:
                    return digits - int(zero)
            start = digits + 1
        return -1

    @cached_property
    def symbol_count_offset(self) -> int:
        """Offset of kallsyms_num_syms; -1 if it isn't found."""
        start = max(self.tokens - TABLES_MAX, 0)
        at = self.original.read(start, max(self.tokens, 0) - start).rfind(struct.pack("<I", self.symbol_count))
        return start + at if at >= 0 else -1

    def word(self, virtual: int) -> int:
        """The 8 bytes at an address; 0 if they are not there."""
        at = self.offset(virtual)
        return self.original.number(at, 8) if at is not None else 0

    def offset(self, virtual: int) -> int | None:
        """Where an address lies in the file; None if it doesn't."""
        at = self.paging.physical(virtual)
        return at if at is not None and at + 8 <= self.original.size else None

    def leaves(self, name: str) -> list[Leaf]:
        """The members of a struct."""
        return self.btf.leaves(name)

    def run_of(self, virtual: int, size: int) -> list[int]:
        """Offsets of the pages of a range of addresses, as far as they are in the file."""
        offsets = (self.offset(page) for page in range(virtual & ~(PAGE - 1), virtual + size, PAGE))
        return [offset for offset in offsets if offset is not None]
