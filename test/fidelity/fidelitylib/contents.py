"""Bytes of kept sections."""

from __future__ import annotations

from collections import Counter

from .elf import SHT_NOBITS, Elf, Section
from .kept import SORTED_TABLES, kept_sections
from .score import Score

BLOCK = 64


def compare_contents(original: Elf, rebuilt: Elf, score: Score) -> None:
    """Compares the bytes of every kept section that has some in the file."""
    found = {section.key: section for section in rebuilt.sections}
    for section in kept_sections(original):
        if section.type != SHT_NOBITS:
            other = found.get(section.key)
            _compare(section, original.content(section), rebuilt.content(other) if other else b"", score)


def _compare(section: Section, wanted: bytes, have: bytes, score: Score) -> None:
    same = wanted == have
    any_order = same or _same_bag(section.name, wanted, have)
    if section.writable:
        score.ratio(same, "contents.writable_sections")
        score.ratio(equal_bytes(wanted, have), "contents.writable_bytes", section.size)
    else:
        score.ratio(any_order, "contents.readonly_sections")
        score.ratio(same, "contents.readonly_sections_strict")
        equal = equal_bytes(wanted, have)
        score.ratio(max(equal, _common_bytes(section.name, wanted, have)), "contents.readonly_bytes", section.size)
        score.ratio(equal, "contents.readonly_bytes_strict", section.size)
    if section.name == ".text":
        score.ratio(same, "contents.text")
    if not any_order:
        _list_runs(section, wanted, have, score)


def _same_bag(name: str, wanted: bytes, have: bytes) -> bool:
    return len(wanted) == len(have) == _common_bytes(name, wanted, have)


def _common_bytes(name: str, wanted: bytes, have: bytes) -> int:
    """Bytes in entries that both versions of a sorted table have, 0 for other sections."""
    entry = SORTED_TABLES.get(name)
    if not entry:
        return 0
    return sum(len(one) * times for one, times in (_bag(wanted, entry) & _bag(have, entry)).items())


def _bag(data: bytes, entry: int) -> Counter[bytes]:
    return Counter(data[at:at + entry] for at in range(0, len(data), entry))


def equal_bytes(wanted: bytes, have: bytes) -> int:
    """How many bytes are equal at the same offset."""
    if wanted == have:
        return len(wanted)
    count = 0
    for at in range(0, min(len(wanted), len(have)), BLOCK):
        one, two = wanted[at:at + BLOCK], have[at:at + BLOCK]
        count += len(one) if one == two else sum(a == b for a, b in zip(one, two))
    return count


def different_runs(wanted: bytes, have: bytes) -> list[tuple[int, int]]:
    """Ranges (start, end) in which bytes differ; equal bytes fewer than 4 do not end one."""
    runs: list[tuple[int, int]] = []
    common = min(len(wanted), len(have))
    for block in range(0, common, BLOCK):
        if wanted[block:block + BLOCK] == have[block:block + BLOCK]:
            continue
        for at in range(block, min(block + BLOCK, common)):
            if wanted[at] != have[at]:
                if runs and at - runs[-1][1] < 4:
                    runs[-1] = (runs[-1][0], at + 1)
                else:
                    runs.append((at, at + 1))
    return runs


def _list_runs(section: Section, wanted: bytes, have: bytes, score: Score) -> None:
    what = "writable bytes" if section.writable else "read-only bytes"
    if len(wanted) != len(have):
        score.miss("contents", section.name, "length", "", len(wanted), len(have))
    for start, end in different_runs(wanted, have):
        shown = slice(start, min(end, start + 16))
        score.miss("contents", section.name, what, f"{start:#x}+{end - start}", wanted[shown].hex(),
                   have[shown].hex(), times=end - start)
