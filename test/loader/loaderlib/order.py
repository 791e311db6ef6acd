"""In which order modules can be loaded."""

from typing import Any


def by_use(listing: list[dict[str, Any]], only: str | None = None) -> list[str]:
    """Names so that each comes after all that it uses; with `only`, that one and what it needs."""
    uses = {module["name"]: module["uses"] for module in listing}
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done or name in path or name not in uses:
            return
        for other in uses[name]:
            visit(other, (*path, name))
        done.append(name)

    for name in [only] if only else uses:
        visit(name, ())
    return done
