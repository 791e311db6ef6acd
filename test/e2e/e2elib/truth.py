"""What the guest said of its modules, from the files that make-images keeps."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple


class Loaded(NamedTuple):
    """A line of /proc/modules."""

    name: str
    size: int
    refcount: int
    users: list[str]
    state: str
    base: int
    taints: str


class KernelSymbol(NamedTuple):
    """A line of /proc/kallsyms without its module."""

    address: int
    letter: str
    name: str


@dataclass(frozen=True)
class Truth:
    """The folder truth/ of an image."""

    folder: Path

    @cached_property
    def modules(self) -> dict[str, Loaded]:
        """/proc/modules by name."""
        return {line.name: line for line in map(_loaded, (self.folder / "modules").read_text().splitlines())}

    @cached_property
    def version(self) -> str:
        """/proc/version."""
        return (self.folder / "version").read_text().strip()

    @property
    def release(self) -> str:
        """uname -r"""
        return self.version.split()[2]

    def sections(self, module: str) -> dict[str, int]:
        """/sys/module/MODULE/sections"""
        lines = (self.folder / "sections" / module).read_text().splitlines()
        return {name: int(address, 16) for name, address in (line.split() for line in lines)}

    def attributes(self, module: str) -> dict[str, str]:
        """/sys/module/MODULE/* and parameters/*"""
        lines = (self.folder / "attributes" / module).read_text(errors="replace").splitlines()
        pairs = (line.partition(" ") for line in lines)
        return {name: value for name, _, value in pairs}

    @cached_property
    def kallsyms(self) -> dict[str, list[KernelSymbol]]:
        """/proc/kallsyms by module, "" for the kernel, in order."""
        symbols: dict[str, list[KernelSymbol]] = defaultdict(list)
        with (self.folder / "kallsyms").open() as lines:
            for line in lines:
                address, letter, name, *module = line.split()
                symbols[module[0][1:-1] if module else ""].append(KernelSymbol(int(address, 16), letter, name))
        return symbols

    def kernel_symbol(self, name: str) -> int:
        """The address of a symbol of the kernel itself."""
        return next(symbol.address for symbol in self.kallsyms[""] if symbol.name == name)

    @cached_property
    def kernel_code(self) -> int:
        """The physical address of the kernel's text."""
        match = re.search(r"([0-9a-f]+)-[0-9a-f]+ : Kernel code", (self.folder / "iomem").read_text())
        assert match
        return int(match[1], 16)

    @cached_property
    def five_level(self) -> bool:
        """Whether the processor walked five levels of page tables: CR4.LA57."""
        match = re.search(r"CR4=([0-9a-f]+)", (self.folder / "registers").read_text())
        assert match
        return bool(int(match[1], 16) & 1 << 12)


# What /proc/modules shows in the place of users: none, and a module that can't be unloaded.
NO_USERS = ("", "-", "[permanent]")


def _loaded(line: str) -> Loaded:
    name, size, refcount, users, state, base, *taints = line.split()
    return Loaded(name, int(size), int(refcount), [user for user in users.split(",") if user not in NO_USERS], state,
                  int(base, 16), taints[0].strip("()") if taints else "")
