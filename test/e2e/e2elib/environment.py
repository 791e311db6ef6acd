"""What is tested and where: the binary, the images, a folder to work in."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from .process import Result, run
from .truth import Truth

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Image:
    """A folder that make-images made."""

    folder: Path

    @property
    def name(self) -> str:
        """What the test is called by."""
        return self.folder.name

    @property
    def raw(self) -> Path:
        """The image as a raw file."""
        return self.folder / "image.raw"

    @cached_property
    def truth(self) -> Truth:
        """What the guest said of itself."""
        return Truth(self.folder / "truth")

    @cached_property
    def originals(self) -> dict[str, Path]:
        """The files that were loaded, by module: the kernel writes - as _."""
        return {path.stem.replace("-", "_"): path for path in (self.folder / "originals").glob("*.ko")}

    def original(self, module: str) -> Path:
        """The file that `module` was loaded from."""
        return self.originals[module]


@dataclass(eq=False)
class Environment:
    """Given to every test."""

    lkmfs: Path
    images: list[Image]
    work: Path
    project: Path
    stress_seconds: int = 30
    _extracted: dict[tuple[Path, str], Path] = field(default_factory=dict)

    @property
    def sample(self) -> Image:
        """The image for tests that need only one: one that has all formats, if there is."""
        return next((image for image in self.images if (image.folder / "image.lime").exists()), self.images[0])

    def folder(self, prefix: str = "") -> Path:
        """A new empty folder that is removed at the end of the run."""
        return Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self.work))

    def run(self, *arguments: str | Path, **options: Any) -> Result:
        """Runs lkmfs."""
        return run([self.lkmfs, *arguments], **options)

    def output(self, *arguments: str | Path) -> bytes:
        """Runs lkmfs, which must succeed without a word on standard error but of doubts; what it printed."""
        result = self.run(*arguments)
        if result.code or any("so this may not be all" not in line for line in result.error_lines()):
            words = " ".join(map(str, arguments))
            raise AssertionError(f"lkmfs {words}: exit code {result.code}, said {result.err!r}")
        return result.out

    def json(self, *arguments: str | Path) -> Any:
        """Runs lkmfs; what it printed as JSON."""
        return json.loads(self.output(*arguments))

    def extracted(self, image: Path, kind: str = "") -> Path:
        """The folder of all modules extracted from an image file; `kind` is "" or "--loaded". Made once."""
        key = (image, kind)
        if key not in self._extracted:
            folder = self.folder("extracted")
            self.output("extract", image, "-o", folder, *([kind] if kind else []))
            self._extracted[key] = folder
        return self._extracted[key]

    def rebuilt(self, image: Image) -> list[Path]:
        """All rebuilt .ko files of an image, by name."""
        return sorted(self.extracted(image.raw).glob("*.ko"))

    def loaded(self, image: Image) -> list[Path]:
        """All .elf files of an image, by name."""
        return sorted(self.extracted(image.raw, "--loaded").glob("*.elf"))


def each(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Calls a function that mostly waits for other programs for all items, several at once."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(function, items))
