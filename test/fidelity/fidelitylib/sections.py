"""Section headers, field by field."""

from __future__ import annotations

from .elf import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, Elf, Section
from .kept import kept_sections
from .score import Score

BASIC_FLAGS = SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR


def compare_sections(original: Elf, rebuilt: Elf, score: Score) -> None:
    """Compares the header of every kept section."""
    found = {section.key: section for section in rebuilt.sections}
    for section in kept_sections(original):
        other = found.get(section.key)
        score.ratio(other is not None, "sections.present")
        if other is None:
            score.miss("sections", section.name, "present", "", f"{section.size} bytes", "nothing")
        _compare_header(section, other, score)
    known = {section.name for section in original.sections}
    for section in rebuilt.sections:
        if section.alloc and section.size and section.name not in known:
            score.counts["sections.spurious"] += 1
            score.miss("sections", section.name, "spurious", "", "nothing", f"{section.size} bytes")


def _compare_header(section: Section, other: Section | None, score: Score) -> None:
    """A section that is absent counts as wrong in every field."""
    right = {name: other is not None and _field(section, name) == _field(other, name)
             for name in ("size", "type", "all flags", "flags", "align", "entsize")}
    for name in ("size", "type", "flags", "align"):
        score.ratio(right[name], f"sections.{name}")
    score.ratio(all(right.values()), "sections.header")
    if other is None:
        return
    for name in ("size", "type", "all flags", "align", "entsize"):
        if not right[name]:
            score.miss("sections", section.name, name, "", f"{_field(section, name):#x}", f"{_field(other, name):#x}")


def _field(section: Section, name: str) -> int:
    """A field as it is compared."""
    match name:
        case "all flags":
            return section.flags
        case "flags":
            return section.flags & BASIC_FLAGS
        case "align":
            return max(1, section.align)
        case _:
            return int(getattr(section, name))
