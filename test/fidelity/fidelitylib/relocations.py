"""Relocations of kept sections: place, type, and what they point to (not by which symbol they say it)."""

from __future__ import annotations

from collections import Counter, defaultdict

from .elf import SHN_UNDEF, Elf
from .kept import SORTED_TABLES, kept_sections
from .score import Score

# (type, kind of target, which one, addend): places in sections are named by section and offset.
Target = tuple[int, str, object, int]
Places = dict[int, Target]


def targets(elf: Elf) -> dict[tuple[str, int], Places]:
    """For every section what its relocations point to, by offset."""
    origins = [_origin(elf, index) for index in range(len(elf.symbols))]
    result: dict[tuple[str, int], Places] = defaultdict(dict)
    for table in elf.relocation_tables():
        places = result[elf.sections[table.info].key]
        for offset, kind, symbol, addend in elf.relocations(table):
            if symbol < len(origins):
                what, which, value = origins[symbol]
                places.setdefault(offset, (kind, what, which, value + addend))
            else:
                places.setdefault(offset, (kind, "no such symbol", symbol, addend))
    return result


def _origin(elf: Elf, index: int) -> tuple[str, object, int]:
    symbol = elf.symbols[index]
    if symbol.shndx == SHN_UNDEF:
        return "import", symbol.name, 0
    section = elf.section_of(symbol)
    return ("section", section.key, symbol.value) if section else ("absolute", symbol.shndx, symbol.value)


def compare_relocations(original: Elf, rebuilt: Elf, score: Score) -> None:
    """Compares the relocations of every kept section."""
    wanted, have = targets(original), targets(rebuilt)
    for section in kept_sections(original):
        _compare_section(section.name, wanted.get(section.key, {}), have.get(section.key, {}), score)


def _compare_section(name: str, wanted: Places, have: Places, score: Score) -> None:
    right = sum(1 for offset, target in wanted.items() if have.get(offset) == target)
    entry = SORTED_TABLES.get(name)
    any_order = (_bag(wanted, entry) & _bag(have, entry)).total() if entry else right
    score.ratio(right, "relocations.recall_strict", len(wanted))
    score.ratio(any_order, "relocations.recall", len(wanted))
    score.ratio(any_order, "relocations.precision", len(have))
    if any_order == len(wanted) == len(have):
        return
    if wanted and not have:
        score.miss("relocations", name, "all missing", "", len(wanted), 0, times=len(wanted))
    elif entry:
        _list_bags(name, _bag(wanted, entry), _bag(have, entry), score)
    else:
        _list_places(name, wanted, have, score)


def _bag(places: Places, entry: int) -> Counter[tuple[int, Target]]:
    """Relocations of a sorted table without the place of their entry."""
    return Counter((offset % entry, target) for offset, target in places.items())


def _list_bags(name: str, wanted: Counter[tuple[int, Target]], have: Counter[tuple[int, Target]],
               score: Score) -> None:
    for (offset, target), times in (wanted - have).items():
        score.miss("relocations", name, "missing", f"entry+{offset:#x}", show(target), "nothing", times)
    for (offset, target), times in (have - wanted).items():
        score.miss("relocations", name, "spurious", f"entry+{offset:#x}", "nothing", show(target), times)


def _list_places(name: str, wanted: Places, have: Places, score: Score) -> None:
    for offset, target in wanted.items():
        other = have.get(offset)
        if other is None:
            score.miss("relocations", name, "missing", f"{offset:#x}", show(target), "nothing")
        elif other != target:
            what = "type" if other[1:] == target[1:] else "target"
            score.miss("relocations", name, what, f"{offset:#x}", show(target), show(other))
    for offset in have.keys() - wanted.keys():
        score.miss("relocations", name, "spurious", f"{offset:#x}", "nothing", show(have[offset]))


def show(target: Target) -> str:
    """A target for people."""
    kind, what, which, number = target
    where = which[0] if isinstance(which, tuple) else which
    return f"type {kind} {what} {where}{number:+#x}"
