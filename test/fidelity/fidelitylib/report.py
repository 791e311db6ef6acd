"""The results as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .compare import Comparison
from .floors import Breach
from .score import LIMITS, METRICS, Cause, Score

COLUMNS = (("headers", "sections.header"), ("symbols", "symbols.exact"), ("imports", "relocations.imports"),
           ("relocs", "relocations.recall"), ("ro-sect", "contents.readonly_sections"),
           ("ro-bytes", "contents.readonly_bytes"), ("rw-sect", "contents.writable_sections"))


def percent(figure: float | None) -> str:
    """Rounded down, so that 100 means all."""
    if figure is None:
        return "-"
    return "100" if figure == 100 else f"{int(figure * 1000) / 1000:.3f}"


def module_table(comparison: Comparison) -> str:
    """A row a module."""
    width = max(len(score.module) for score in comparison.modules)
    lines = [f"{'MODULE':{width}}" + "".join(f" {title:>13}" for title, _ in COLUMNS)]
    for score in comparison.modules:
        cells = (f"{score.counts[key]}/{score.counts[key + '/of']}" for _, key in COLUMNS)
        lines.append(f"{score.module:{width}}" + "".join(f" {cell:>13}" for cell in cells))
    return "\n".join(lines)


def total_table(comparisons: list[Comparison]) -> str:
    """A row a figure, a column an image."""
    width = max(len(metric.title) for metric in METRICS)
    columns = [max(10, len(comparison.name)) for comparison in comparisons]

    def row(title: str, cells: Iterable[str]) -> str:
        return f"{title:{width}}" + "".join(f"  {cell:>{size}}" for cell, size in zip(cells, columns))

    lines = [row("", (comparison.name for comparison in comparisons)),
             row("modules", (str(len(comparison.modules)) for comparison in comparisons))]
    for metric in LIMITS:
        key = f"{metric.group}.{metric.name}"
        lines.append(row(metric.title, (str(comparison.total.counts[key]) for comparison in comparisons)))
    for metric in METRICS:
        key = f"{metric.group}.{metric.name}"
        lines.append(row(metric.title, (percent(comparison.total.percent(key)) for comparison in comparisons)))
    return "\n".join(lines)


def worst(comparison: Comparison, causes: int) -> str:
    """The most frequent causes of misses, each with its examples."""
    lines = []
    for cause, times in comparison.total.causes.most_common(causes or None):
        modules = [score.module for score in comparison.modules if score.causes[cause]]
        lines.append(f"{cause.group}: {cause.section} {cause.field}: {times} in {len(modules)} modules")
        lines.extend(_examples(comparison.total, cause))
    return "\n".join(lines) if lines else "no miss at all"


def _examples(total: Score, cause: Cause, most: int = 12) -> list[str]:
    found = [miss for miss in total.misses if Cause(miss.group, miss.section, miss.field) == cause]
    return [f"    {miss.module} {miss.item}: expected {miss.expected}, got {miss.got}" for miss in found[:most]]


def as_json(comparisons: list[Comparison], breached: dict[str, list[Breach]]) -> dict[str, Any]:
    """Everything, for programs."""
    return {comparison.name: {
        "release": comparison.release,
        "modules": {score.module: _figures(score) for score in comparison.modules},
        "total": _figures(comparison.total),
        "below": [str(breach) for breach in breached[comparison.name]],
        "causes": [cause._asdict() | {"times": times} for cause, times in comparison.total.causes.most_common()],
        "misses": [miss._asdict() for miss in comparison.total.misses],
    } for comparison in comparisons}


def _figures(score: Score) -> dict[str, Any]:
    keys = [f"{metric.group}.{metric.name}" for metric in METRICS]
    return ({f"{metric.group}.{metric.name}": score.counts[f"{metric.group}.{metric.name}"] for metric in LIMITS}
            | {key: {"right": score.counts[key], "of": score.counts[key + "/of"], "percent": score.percent(key)}
               for key in keys})
