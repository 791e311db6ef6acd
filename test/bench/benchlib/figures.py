"""What was measured, with the limits that it should keep."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str               # "s", "MiB", "x" for a ratio
    limit: float | None = None
    note: str = ""


class Figures:
    """All figures of a run, in order."""

    def __init__(self) -> None:
        self._all: list[Figure] = []

    def add(self, name: str, value: float, unit: str, limit: float | None = None, note: str = "") -> None:
        """Keep one figure."""
        self._all.append(Figure(name, value, unit, limit, note))

    def table(self) -> str:
        """For people."""
        lines = [f"{'what':44} {'measured':>12} {'at most':>10}"]
        for figure in self._all:
            limit = "" if figure.limit is None else f"{figure.limit:g} {figure.unit}"
            lines.append(f"{figure.name:44} {figure.value:9.3f} {figure.unit:3}{limit:>10} {figure.note}")
        return "\n".join(lines)

    def as_json(self) -> list[dict[str, Any]]:
        """For programs."""
        return [vars(figure) for figure in self._all]

    def past_limits(self, absolute: bool) -> list[str]:
        """Figures beyond their limit; times only if `absolute`, for they depend on the machine."""
        return [f"{figure.name}: {figure.value:.3f} {figure.unit}, limit {figure.limit:g}" for figure in self._all
                if figure.limit is not None and figure.value > figure.limit and (absolute or figure.unit != "s")]
