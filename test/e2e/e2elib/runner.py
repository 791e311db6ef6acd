"""Finds the tests, runs them, and says how they went."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from .environment import Environment, Image

SHOWN = 12      # problems of one test that are shown


class Skip(Exception):
    """The test can't run here, for this reason."""


class Failure(Exception):
    """The test failed."""


class Problems:
    """Collects what is wrong, so that one run shows all of it. Nothing checked is a failure, too."""

    def __init__(self) -> None:
        self.checked = 0
        self.found: list[str] = []

    def check(self, good: object, problem: str) -> bool:
        """Counts one check, and notes the problem unless `good`."""
        self.checked += 1
        if not good:
            self.found.append(problem)
        return bool(good)

    def equal(self, what: str, got: object, wanted: object) -> bool:
        """Counts one check that two values are equal."""
        return self.check(got == wanted, f"{what}: got {got!r}, expected {wanted!r}")

    def finish(self) -> None:
        """Raises Failure if anything was wrong."""
        if not self.checked:
            raise Failure("nothing was checked")
        if self.found:
            rest = [f"... and {len(self.found) - SHOWN} more"] if len(self.found) > SHOWN else []
            raise Failure("\n".join([f"{len(self.found)} of {self.checked} checks failed", *self.found[:SHOWN], *rest]))


class Case(NamedTuple):
    """A test, and the image that it runs on if it runs on each."""

    name: str
    function: Callable[..., None]
    image: Image | None


@dataclass
class Tally:
    """How many tests went how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def find_cases(folder: Path, environment: Environment) -> Iterator[Case]:
    """Every function test_* of every test_*.py; those that take `image` once an image."""
    for path in sorted(folder.glob("test_*.py")):
        module: ModuleType = importlib.import_module(path.stem)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("test_") or function.__module__ != module.__name__:
                continue
            full = f"{path.stem.removeprefix('test_')}.{name.removeprefix('test_')}"
            if "image" in inspect.signature(function).parameters:
                for image in environment.images:
                    yield Case(f"{full}[{image.name}]", function, image)
            else:
                yield Case(full, function, None)


def run_case(case: Case, environment: Environment) -> tuple[str, str]:
    """Runs a test: "ok", "FAIL" or "skip", and why."""
    arguments: dict[str, Any] = {"image": case.image} if case.image else {}
    try:
        case.function(environment, **arguments)
        return "ok", ""
    except Skip as reason:
        return "skip", str(reason)
    except Failure as failure:
        return "FAIL", str(failure)
    except subprocess.TimeoutExpired as late:
        return "FAIL", f"took too long: {late.cmd}"
    except Exception:   # a test must not stop the others
        return "FAIL", traceback.format_exc()


def run_cases(cases: list[Case], environment: Environment) -> Tally:
    """Runs all tests, printing a line each."""
    tally = Tally()
    for case in cases:
        started = time.monotonic()
        outcome, why = run_case(case, environment)
        seconds = tally.seconds[case.name] = time.monotonic() - started
        first, *rest = why.splitlines() or [""]
        print(f"{outcome:4} {case.name} ({seconds:.1f} s){': ' if first else ''}{first}", flush=True)
        for line in rest:
            print(f"     {line}", flush=True)
        tally.passed += outcome == "ok"
        tally.failed += outcome == "FAIL"
        tally.skipped += outcome == "skip"
    return tally
