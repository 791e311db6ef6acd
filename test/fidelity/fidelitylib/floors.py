"""The floors file: what the figures may not fall under."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .score import GROUPS, LIMITS, METRICS, Score


class Floor(NamedTuple):
    """One requirement."""

    group: str
    name: str
    bound: float
    at_most: bool       # a count that may not be above, not a percentage that may not be below


class Breach(NamedTuple):
    """A requirement that is not met; `figure` is None when nothing could be measured."""

    floor: Floor
    figure: float | None

    def __str__(self) -> str:
        figure = "nothing to measure" if self.figure is None else f"{self.figure:.3f}"
        word = "above" if self.floor.at_most else "below"
        return f"{self.floor.group}.{self.floor.name}: {figure}, {word} {self.floor.bound:g}"


def load_floors(path: Path, release: str) -> list[Floor]:
    """The floors for a kernel: the common ones, overridden by those of its family. Raises ValueError."""
    with path.open("rb") as file:
        data: dict[str, Any] = tomllib.load(file)
    families: dict[str, Any] = data.pop("family", {})
    for family in sorted((name for name in families if is_of_family(release, name)), key=len):
        for group, floors in families[family].items():
            data.setdefault(group, {}).update(floors)
    limits = {(metric.group, metric.name) for metric in LIMITS}
    known = limits | {(metric.group, metric.name) for metric in METRICS}
    floors = [(group, name, bound) for group, entries in data.items() for name, bound in entries.items()]
    for group, name, _ in floors:
        if (group, name) not in known:
            raise ValueError(f"{path}: no such figure: {group}.{name}")
    return [Floor(group, name, bound, (group, name) in limits) for group, name, bound in floors]


def is_of_family(release: str, family: str) -> bool:
    """Whether kernel 6.1.0-40-amd64 is of the family 6.1, or of 6."""
    return release == family or release.startswith((family + ".", family + "-"))


def breaches(score: Score, floors: Iterable[Floor], skip: Iterable[str] = ()) -> Iterator[Breach]:
    """The floors that `score` falls under, without those of the groups in `skip`."""
    skipped = set(skip)
    if unknown := skipped - set(GROUPS):
        raise ValueError(f"no such group: {' '.join(sorted(unknown))}; there are {' '.join(GROUPS)}")
    for floor in floors:
        key = f"{floor.group}.{floor.name}"
        if floor.group in skipped:
            continue
        if floor.at_most:
            if score.counts[key] > floor.bound:
                yield Breach(floor, float(score.counts[key]))
        elif (figure := score.percent(key)) is None or figure < floor.bound:
            yield Breach(floor, figure)
