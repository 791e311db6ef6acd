"""As much of BTF as tells where the members of a kernel's structs lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

(INT, PTR, ARRAY, STRUCT, UNION, ENUM, _FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, _FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT,
 DECL_TAG, TYPE_TAG, ENUM64) = range(1, 20)
ELEMENTS_MAX = 8    # of an array that are looked at


class Type(NamedTuple):
    """A type; `size` is the id of the type it refers to where there is no size."""

    name: str
    kind: int
    size: int
    members: tuple[tuple[str, int, int], ...]   # name, type, offset in bits


class Leaf(NamedTuple):
    """A member that has no members itself."""

    path: str
    offset: int
    size: int
    target: str     # of a pointer to a struct: its name


class Btf:
    """The types of a kernel."""

    def __init__(self, data: bytes) -> None:
        """Reads a .BTF section."""
        header, type_off, type_len, str_off, str_len = struct.unpack_from("<5I", data, 4)
        self._strings = data[header + str_off:header + str_off + str_len]
        self._types = [Type("void", 0, 0, ())]
        self._structs: dict[str, int] = {}
        at, end = header + type_off, header + type_off + type_len
        while at < end:
            at = self._read(data, at)

    def _string(self, at: int) -> str:
        return self._strings[at:self._strings.index(b"\0", at)].decode()

    def _read(self, data: bytes, at: int) -> int:
        """Reads the type at an offset; returns where the next begins."""
        name, info, size = struct.unpack_from("<3I", data, at)
        kind, count, flag = info >> 24 & 0x1F, info & 0xFFFF, info >> 31
        at += 12
        members: list[tuple[str, int, int]] = []
        if kind in (STRUCT, UNION):
            for where in range(at, at + 12 * count, 12):
                member, member_type, offset = struct.unpack_from("<3I", data, where)
                members.append((self._string(member), member_type, offset & 0xFFFFFF if flag else offset))
            self._structs.setdefault(self._string(name), len(self._types))
        elif kind == ARRAY:
            element, _, elements = struct.unpack_from("<3I", data, at)
            members.append(("", element, elements))
        self._types.append(Type(self._string(name), kind, size, tuple(members)))
        extra = {INT: 4, ARRAY: 12, STRUCT: 12 * count, UNION: 12 * count, ENUM: 8 * count, FUNC_PROTO: 8 * count, VAR: 4,
                 DATASEC: 12 * count, DECL_TAG: 4, ENUM64: 12 * count}
        return at + extra.get(kind, 0)

    def _plain(self, index: int) -> Type:
        """A type without its typedefs and qualifiers."""
        while self._types[index].kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            index = self._types[index].size
        return self._types[index]

    def size(self, index: int) -> int:
        """Bytes of a type."""
        plain = self._plain(index)
        if plain.kind == ARRAY:
            return self.size(plain.members[0][1]) * plain.members[0][2]
        return 8 if plain.kind == PTR else plain.size if plain.kind in (INT, STRUCT, UNION, ENUM, FLOAT, ENUM64) else 0

    def size_of(self, name: str) -> int:
        """Bytes of a struct; 0 if there is none of this name."""
        return self.size(self._structs[name]) if name in self._structs else 0

    def leaves(self, name: str) -> list[Leaf]:
        """All members of a struct that have none themselves, at any depth; none if there is no such struct."""
        return list(self._leaves(self._structs[name], "", 0)) if name in self._structs else []

    def _leaves(self, index: int, path: str, offset: int) -> Iterator[Leaf]:
        plain = self._plain(index)
        if plain.kind in (STRUCT, UNION):
            for member, member_type, bits in plain.members:
                yield from self._leaves(member_type, f"{path}.{member}".strip("."), offset + bits // 8)
        elif plain.kind == ARRAY:
            _, element, count = plain.members[0]
            for i in range(min(count, ELEMENTS_MAX)):
                yield from self._leaves(element, f"{path}[{i}]", offset + i * self.size(element))
        elif size := self.size(index):
            target = self._plain(plain.size) if plain.kind == PTR else None
            yield Leaf(path, offset, min(size, 8), target.name if target and target.kind == STRUCT else "")
