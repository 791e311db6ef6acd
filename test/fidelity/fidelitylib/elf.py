"""A small ELF reader for object files, 32 and 64 bits, little endian. Everything is read from bytes; nothing is written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ET_REL, ET_EXEC = 1, 2
SHT_NULL, SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOTE, SHT_NOBITS, SHT_REL = 0, 1, 2, 3, 4, 7, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_UNDEF, SHN_LORESERVE, SHN_ABS, SHN_COMMON = 0, 0xFF00, 0xFFF1, 0xFFF2
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE = 0, 1, 2, 3, 4


class ElfError(Exception):
    """The file is no ELF file that this reader understands."""


class Layout(NamedTuple):
    """Formats of the structures of one ELF class, and their members in the order of the 64-bit one."""

    header: struct.Struct
    section: struct.Struct
    symbol: struct.Struct
    symbol_order: tuple[int, ...]   # name info other shndx value size
    rel: struct.Struct
    rela: struct.Struct
    symbol_shift: int               # of r_info


LAYOUTS = {
    1: Layout(struct.Struct("<HHIIIIIHHHHHH"), struct.Struct("<10I"), struct.Struct("<IIIBBH"), (0, 3, 4, 5, 1, 2),
              struct.Struct("<II"), struct.Struct("<IIi"), 8),
    2: Layout(struct.Struct("<HHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"),
              (0, 1, 2, 3, 4, 5), struct.Struct("<QQ"), struct.Struct("<QQq"), 32),
}


@dataclass(slots=True)
class Section:
    """A section header with its name; `key` tells sections of the same name apart."""

    index: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int
    name: str = ""
    key: tuple[str, int] = field(default=("", 0))

    @property
    def alloc(self) -> bool:
        """Whether it takes memory once loaded."""
        return bool(self.flags & SHF_ALLOC)

    @property
    def writable(self) -> bool:
        """Whether its memory is written to."""
        return bool(self.flags & SHF_WRITE)

    @property
    def executable(self) -> bool:
        """Whether it holds code."""
        return bool(self.flags & SHF_EXECINSTR)


class Symbol(NamedTuple):
    """A symbol table entry with its name."""

    name: str
    info: int
    other: int
    shndx: int
    value: int
    size: int

    @property
    def bind(self) -> int:
        """STB_*"""
        return self.info >> 4

    @property
    def type(self) -> int:
        """STT_*"""
        return self.info & 15


class Relocation(NamedTuple):
    """One entry of a relocation table; `symbol` is an index."""

    offset: int
    type: int
    symbol: int
    addend: int


class Elf:
    """An ELF file."""

    def __init__(self, data: bytes) -> None:
        """Reads the headers. Raises ElfError."""
        if data[:4] != b"\x7fELF" or len(data) < 64 or data[4] not in LAYOUTS or data[5] != 1:
            raise ElfError("not a little-endian ELF file")
        self.data = data
        self.is64 = data[4] == 2
        self.layout = LAYOUTS[data[4]]
        (self.type, self.machine, _, self.entry, self.phoff, self.shoff, self.flags, self.ehsize, self.phentsize,
         self.phnum, self.shentsize, self.shnum, self.shstrndx) = self.layout.header.unpack_from(data, 16)
        self.sections = [self._section(index) for index in range(self.shnum)]
        self._name_sections()

    @classmethod
    def open(cls, path: Path) -> Elf:
        """The file at `path`."""
        return cls(path.read_bytes())

    def _section(self, index: int) -> Section:
        at = self.shoff + index * self.shentsize
        if at + self.layout.section.size > len(self.data):
            raise ElfError(f"section header {index} lies past the end of the file")
        _, *fields = self.layout.section.unpack_from(self.data, at)
        return Section(index, *fields)

    def _name_sections(self) -> None:
        if not self.sections:
            return
        if self.shstrndx >= len(self.sections):
            raise ElfError(f"e_shstrndx is {self.shstrndx} of {len(self.sections)} sections")
        names = self.content(self.sections[self.shstrndx])
        seen: dict[str, int] = {}
        for section in self.sections:
            (at,) = struct.unpack_from("<I", self.data, self.shoff + section.index * self.shentsize)
            section.name = string_at(names, at)
            section.key = (section.name, seen.get(section.name, 0))
            seen[section.name] = section.key[1] + 1

    def content(self, section: Section) -> bytes:
        """The bytes of `section` in the file: none when it is NOBITS."""
        if section.type == SHT_NOBITS:
            return b""
        return self.data[section.offset:section.offset + section.size]

    def find(self, name: str) -> Section | None:
        """The first section called `name`."""
        return next((section for section in self.sections if section.name == name), None)

    @cached_property
    def symtab(self) -> Section | None:
        """The symbol table's section."""
        return next((section for section in self.sections if section.type == SHT_SYMTAB), None)

    @cached_property
    def symbols(self) -> list[Symbol]:
        """All symbols, the null symbol first; none without a symbol table."""
        table = self.symtab
        if not table:
            return []
        if table.link >= len(self.sections):
            raise ElfError("the symbol table has no string table")
        names = self.content(self.sections[table.link])
        entry, order = self.layout.symbol, self.layout.symbol_order
        content = self.content(table)
        content = content[:len(content) // entry.size * entry.size]
        symbols = []
        for fields in entry.iter_unpack(content):
            name, *rest = (fields[member] for member in order)
            symbols.append(Symbol(string_at(names, name), *rest))
        return symbols

    def section_of(self, symbol: Symbol) -> Section | None:
        """The section that `symbol` is defined in."""
        return self.sections[symbol.shndx] if 0 < symbol.shndx < len(self.sections) else None

    def relocation_tables(self) -> Iterator[Section]:
        """Sections that relocate another one."""
        for section in self.sections:
            if section.type in (SHT_RELA, SHT_REL) and 0 < section.info < len(self.sections):
                yield section

    def relocations(self, table: Section) -> Iterator[Relocation]:
        """The entries of one of relocation_tables()."""
        entry = self.layout.rela if table.type == SHT_RELA else self.layout.rel
        shift = self.layout.symbol_shift
        mask = (1 << shift) - 1
        content = self.content(table)
        content = content[:len(content) // entry.size * entry.size]
        if table.type == SHT_RELA:
            for offset, info, addend in entry.iter_unpack(content):
                yield Relocation(offset, info & mask, info >> shift, addend)
            return
        patched = self.content(self.sections[table.info])
        for offset, info in entry.iter_unpack(content):
            addend = struct.unpack_from("<i", patched, offset)[0] if offset + 4 <= len(patched) else 0
            yield Relocation(offset, info & mask, info >> shift, addend)


def string_at(table: bytes, at: int) -> str:
    """The NUL-terminated string at an offset of a string table; empty when it lies outside."""
    if at >= len(table):
        return ""
    end = table.find(b"\0", at)
    return table[at:end if end >= 0 else len(table)].decode("latin1")
