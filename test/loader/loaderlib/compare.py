"""Whether two extractions of a module are the same where nothing has run: code and relocations."""

import struct
from pathlib import Path

from fidelitylib.elf import SHT_PROGBITS, SHT_RELA, Elf, Relocation, Section

R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_32S = 2, 4, 11

# Jumps of replacements for freed init code lead nowhere in a module that was loaded without it.
_WITHOUT_INIT = ".altinstr_replacement"


# What lies at the edge of a section may be meant by a reference to an empty one beside it: variables without size, such
# as keys of locks that nobody checks, leave no trace, and which sections meet depends on the load address.
_EDGE = ("edge of a section", 0)

# Tables that the loader sorts. Their order on disk is concluded from all that ties code together, of which a module that
# was loaded without its init part has less; so they are compared in any order.
_SORTED = {".rela.orc_unwind_ip", ".rela__mcount_loc", ".rela__ex_table", ".rela__jump_table"}


def _target(elf: Elf, entry: Relocation) -> tuple[str, int]:
    """Section or import, and distance: symbols have other numbers in another extraction."""
    symbol = elf.symbols[entry.symbol]
    if not 0 < symbol.shndx < len(elf.sections):
        return symbol.name, entry.addend
    section = elf.sections[symbol.shndx]
    offset = symbol.value + entry.addend
    if entry.type == R_X86_64_32S and not section.executable and not 0 < offset < section.size:
        return _EDGE
    return section.name, offset


def _inside(elf: Elf, section: Section, entry: Relocation) -> bool:
    """Whether it leads from code of a section to the same section."""
    symbol = elf.symbols[entry.symbol]
    return (entry.type in (R_X86_64_PC32, R_X86_64_PLT32) and section.executable and
            0 < symbol.shndx < len(elf.sections) and elf.sections[symbol.shndx] is section)


def _relocations(elf: Elf, section: Section) -> list[tuple[int, int, str, int]]:
    """The entries with their targets in words, but for those that _code() resolves."""
    target, in_order = elf.sections[section.info], section.name not in _SORTED
    return sorted((entry.offset if in_order else 0, entry.type, *_target(elf, entry))
                  for entry in elf.relocations(section) if not _inside(elf, target, entry))


def _code(elf: Elf, section: Section) -> bytes:
    """
    The section's bytes, what leads to itself resolved: the assembler leaves a jump to a global of another object to the
    linker and resolves one of the same object, and what lies in one object is concluded as the order of tables is.
    """
    code = bytearray(elf.content(section))
    for table in elf.sections:
        if table.type != SHT_RELA or elf.sections[table.info] is not section:
            continue
        for entry in elf.relocations(table):
            if _inside(elf, section, entry):
                distance = elf.symbols[entry.symbol].value + entry.addend - entry.offset
                struct.pack_into("<i", code, entry.offset, distance)
    return bytes(code)


def _facts(path: Path) -> dict[str, object]:
    """Code by section name, and the relocations of read-only sections."""
    elf = Elf.open(path)
    facts: dict[str, object] = {}
    for section in elf.sections:
        if section.executable and section.type == SHT_PROGBITS:
            facts[section.name] = _code(elf, section)
        target = elf.sections[section.info] if section.type == SHT_RELA else None
        if target and not target.writable and target.name != _WITHOUT_INIT:
            facts[section.name] = _relocations(elf, section)
    return facts


def folders(first: Path, second: Path, modules: list[str]) -> list[str]:
    """The differences between two folders of rebuilt modules, a line a section."""
    failures = []
    for module in modules:
        one, other = first / f"{module}.ko", second / f"{module}.ko"
        if not other.exists():
            failures.append(f"{module}: not in the second dump")
            continue
        a, b = _facts(one), _facts(other)
        failures += [f"{module}: {name} differs in the second dump" for name in sorted(a.keys() | b.keys())
                     if a.get(name) != b.get(name)]
    return failures
