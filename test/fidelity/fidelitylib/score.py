"""Counts of what was right, and every miss with its cause."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

EXAMPLES = 12   # misses kept for one cause in one module; all are counted


class Miss(NamedTuple):
    """One thing that is not as in the original."""

    module: str
    group: str
    section: str
    field: str
    item: str       # a symbol, an offset
    expected: str
    got: str


class Cause(NamedTuple):
    """What misses have in common."""

    group: str
    section: str
    field: str


@dataclass
class Score:
    """The result for one module, or the sum of several."""

    module: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    causes: Counter[Cause] = field(default_factory=Counter)
    misses: list[Miss] = field(default_factory=list)

    def ratio(self, good: bool | int, name: str, total: int = 1) -> None:
        """Counts `good` of `total` under `name`."""
        self.counts[name] += int(good)
        self.counts[name + "/of"] += total

    def miss(self, group: str, section: str, what: str, item: object, expected: object, got: object,
             times: int = 1) -> None:
        """Notes a miss; only some are kept when they are many."""
        cause = Cause(group, section, what)
        if self.causes[cause] < EXAMPLES:
            self.misses.append(Miss(self.module, group, section, what, str(item), str(expected), str(got)))
        self.causes[cause] += times

    def add(self, other: Score) -> None:
        """Adds the result of another module."""
        self.counts.update(other.counts)
        self.causes.update(other.causes)
        self.misses.extend(other.misses)

    def percent(self, name: str) -> float | None:
        """How much of `name` was right; None when there was nothing."""
        total = self.counts[name + "/of"]
        return 100.0 * self.counts[name] / total if total else None


class Metric(NamedTuple):
    """A figure that is reported and may have a floor."""

    group: str
    name: str
    title: str


METRICS = (
    Metric("sections", "present", "sections present"),
    Metric("sections", "size", "size"),
    Metric("sections", "type", "type"),
    Metric("sections", "flags", "flags"),
    Metric("sections", "align", "alignment"),
    Metric("sections", "header", "header exact"),
    Metric("symbols", "present", "symbols present"),
    Metric("symbols", "exact", "symbols exact"),
    Metric("relocations", "recall", "relocations found, any order"),
    Metric("relocations", "precision", "relocations right, any order"),
    Metric("relocations", "recall_strict", "relocations found, same order"),
    Metric("relocations", "imports_kept", "imports of kept code and data"),
    Metric("relocations", "imports", "imports, all"),
    Metric("contents", "readonly_sections", "read-only sections, any order"),
    Metric("contents", "readonly_sections_strict", "read-only sections, same order"),
    Metric("contents", "text", ".text identical"),
    Metric("contents", "readonly_bytes", "read-only bytes, any order"),
    Metric("contents", "readonly_bytes_strict", "read-only bytes, same order"),
    Metric("contents", "writable_sections", "writable sections"),
    Metric("contents", "writable_bytes", "writable bytes"),
)
LIMITS = (
    Metric("sections", "spurious", "spurious sections"),
    Metric("modules", "missing", "modules missing"),
    Metric("modules", "unreadable", "modules unreadable"),
)
GROUPS = tuple(dict.fromkeys(metric.group for metric in METRICS + LIMITS))
