"""Symbols of kept sections, and imports."""

from __future__ import annotations

from collections import defaultdict

from .elf import SHN_UNDEF, STT_FILE, STT_SECTION, Elf, Symbol
from .kept import kept_sections
from .score import Score

FIELDS = ("value", "size", "bind", "type", "other")
EXACT = ("value", "size", "bind", "type")


def compare_symbols(original: Elf, rebuilt: Elf, score: Score) -> None:
    """Compares every named symbol of a kept section. st_other is compared, but does not count: no tool reads it here."""
    kept = {section.index: section for section in kept_sections(original)}
    found: dict[tuple[str, tuple[str, int]], list[Symbol]] = defaultdict(list)
    for symbol in rebuilt.symbols:
        if section := rebuilt.section_of(symbol):
            found[symbol.name, section.key].append(symbol)
    for symbol in original.symbols:
        if symbol.name and symbol.type not in (STT_SECTION, STT_FILE) and symbol.shndx in kept:
            section = kept[symbol.shndx]
            _compare_symbol(section.name, symbol, found.get((symbol.name, section.key), []), score)


def _compare_symbol(section: str, symbol: Symbol, candidates: list[Symbol], score: Score) -> None:
    """Of several candidates the one with the right value counts, and each only once."""
    score.ratio(bool(candidates), "symbols.present")
    if not candidates:
        score.ratio(False, "symbols.exact")
        score.miss("symbols", section, "present", symbol.name, f"{symbol.value:#x}", "nothing")
        return
    best = max(candidates, key=lambda other: sum(getattr(other, name) == getattr(symbol, name) for name in FIELDS)
               + 8 * (other.value == symbol.value))
    candidates.remove(best)
    wrong = [name for name in FIELDS if getattr(best, name) != getattr(symbol, name)]
    score.ratio(not any(name in EXACT for name in wrong), "symbols.exact")
    for name in wrong:
        score.miss("symbols", section, name, symbol.name, f"{getattr(symbol, name):#x}", f"{getattr(best, name):#x}")


def compare_imports(original: Elf, rebuilt: Elf, score: Score) -> None:
    """Compares the names of undefined symbols: all, and those that kept code or data refers to."""
    wanted, have = import_names(original), import_names(rebuilt)
    used = _used_by_kept(original)
    for name in sorted(wanted):
        score.ratio(name in have, "relocations.imports")
        if name in used:
            score.ratio(name in have, "relocations.imports_kept")
        if name not in have:
            where = "of kept sections" if name in used else "of freed sections only"
            score.miss("relocations", "imports", where, name, "undefined symbol", "nothing")
    for name in sorted(have - wanted):
        score.miss("relocations", "imports", "too many", name, "nothing", "undefined symbol")


def import_names(elf: Elf) -> set[str]:
    """Names of the undefined symbols."""
    return {symbol.name for symbol in elf.symbols if symbol.shndx == SHN_UNDEF and symbol.name}


def _used_by_kept(elf: Elf) -> set[str]:
    """Names of the undefined symbols that kept sections refer to."""
    kept = {section.index for section in kept_sections(elf)}
    used = {entry.symbol for table in elf.relocation_tables() if table.info in kept for entry in elf.relocations(table)}
    return {elf.symbols[index].name for index in used
            if index < len(elf.symbols) and elf.symbols[index].shndx == SHN_UNDEF}
