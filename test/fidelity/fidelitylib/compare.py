"""A module against its original, and a folder of modules against a folder of originals."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .contents import compare_contents
from .elf import Elf, ElfError
from .relocations import compare_relocations
from .score import Score
from .sections import compare_sections
from .symbols import compare_imports, compare_symbols


@dataclass
class Comparison:
    """The results for one image."""

    name: str
    release: str
    modules: list[Score] = field(default_factory=list)
    total: Score = field(default_factory=Score)


def compare_module(name: str, original: Path, rebuilt: Path) -> Score:
    """Compares one module."""
    score = Score(name)
    if not rebuilt.is_file():
        score.counts["modules.missing"] = 1
        score.miss("modules", "", "missing", "", original.name, "nothing")
        return score
    try:
        one, two = Elf.open(original), Elf.open(rebuilt)
        for compare in (compare_sections, compare_symbols, compare_imports, compare_relocations, compare_contents):
            compare(one, two, score)
    except ElfError as error:
        score.counts["modules.unreadable"] = 1
        score.miss("modules", "", "unreadable", "", "an ELF file", error)
    return score


def module_name(path: Path) -> str:
    """The module that a file holds: the kernel writes - as _."""
    return path.name.removesuffix(".ko").replace("-", "_")


def _work(pair: tuple[str, Path, Path]) -> Score:
    return compare_module(*pair)


def pairs(originals: Path, rebuilt: Path) -> Iterator[tuple[str, Path, Path]]:
    """Every original with the file that should be equal to it."""
    found = {module_name(path): path for path in rebuilt.glob("*.ko")}
    for original in sorted(originals.glob("*.ko")):
        name = module_name(original)
        yield name, original, found.get(name, rebuilt / f"{name}.ko")


def compare_folders(name: str, release: str, originals: Path, rebuilt: Path, jobs: int) -> Comparison:
    """Compares all modules of a folder."""
    result = Comparison(name, release)
    with ProcessPoolExecutor(jobs) as pool:
        for score in pool.map(_work, pairs(originals, rebuilt), chunksize=4):
            result.modules.append(score)
            result.total.add(score)
    if not result.modules:
        raise FileNotFoundError(f"no originals in {originals}")
    return result
