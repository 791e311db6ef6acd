"""The table of what was injected, how often, and what came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .judge import Verdict

OUTCOMES = ("same", "other", "fewer", "refused")


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    return "  ".join([f"{name:18}", f"{len(verdicts):6}", *(f"{outcomes[outcome]:7}" for outcome in OUTCOMES),
                      f"{sum(verdict.missing > 0 for verdict in verdicts):8}",
                      f"{max(verdict.seconds for verdict in verdicts):9.2f}",
                      f"{max(verdict.memory for verdict in verdicts) >> 20:7}",
                      f"{sum(bool(verdict.faults) for verdict in verdicts):6}"])


def table(verdicts: Iterable[Verdict]) -> str:
    """A line a kind of damage, then one for all."""
    by_kind: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_kind.setdefault(verdict.kind, []).append(verdict)
    head = "  ".join([f"{'injected':18}", f"{'images':>6}", *(f"{outcome:>7}" for outcome in OUTCOMES), f"{'missing':>8}",
                      f"{'CPU s max':>9}", f"{'MiB max':>7}", f"{'faults':>6}"])
    rows = [_row(kind, of_kind) for kind, of_kind in by_kind.items()]
    if by_kind:
        rows.append(_row("all", [verdict for of_kind in by_kind.values() for verdict in of_kind]))
    return "\n".join([head, *rows])
