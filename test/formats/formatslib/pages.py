"""Reads an image page by page: as liblkmfs does, as libkdumpfile does, and as it was written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from formatslib.check import Checker, Failure, Skip
from formatslib.memory import PAGE, ZERO_PAGE, Memory

RECORD = 8 + PAGE


def read_pages(checker: Checker, image: Path) -> Iterator[tuple[int, bytes]]:
    """Every page that read_memory finds in IMAGE."""
    with subprocess.Popen([checker.reader, image], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while len(record := process.stdout.read(RECORD)) == RECORD:
            yield int.from_bytes(record[:8], "little"), record[8:]
        told = process.stderr.read().decode(errors="replace").strip()
    if process.returncode or record:
        raise Failure(f"read_memory: exit code {process.returncode}: {told}")


def all_as_written(checker: Checker, memory: Memory, image: Path, whole: bool) -> None:
    """Checks that each page is what was written; all of them, when the image is WHOLE."""
    expected = dict(memory.pages())
    seen = 0
    for page, data in read_pages(checker, image):
        if page in expected and data != expected[page]:
            raise Failure(f"page {page:#x} differs from what was written")
        seen += page in expected
    if seen < len(expected) if whole else seen == 0:
        raise Failure(f"only {seen} of {len(expected)} pages could be read")


def kdumpfile_reader(image: Path) -> Callable[[int], bytes | None]:
    """A function that reads a page with libkdumpfile; it returns None for one that is not there."""
    try:
        import kdumpfile  # noqa: PLC0415: not a package that every machine has
        from kdumpfile.exceptions import NoDataException  # noqa: PLC0415
    except ImportError as problem:
        raise Skip(f"{problem}; install python3-libkdumpfile") from problem
    dump = kdumpfile.kdumpfile(os.fspath(image))

    def read(page: int) -> bytes | None:
        try:
            return bytes(dump.read(kdumpfile.KDUMP_MACHPHYSADDR, page * PAGE, PAGE))
        except NoDataException:
            return None
    return read


def as_kdumpfile(checker: Checker, memory: Memory, image: Path, zeros: bool) -> None:
    """Checks every page against libkdumpfile; with ZEROS, pages that it lacks may be zeros, for it calls them excluded."""
    theirs = kdumpfile_reader(image)
    ours = read_pages(checker, image)
    upcoming = next(ours, None)
    for page in range(-(-memory.size // PAGE)):
        mine = None
        if upcoming and upcoming[0] == page:
            mine, upcoming = upcoming[1], next(ours, None)
        other = theirs(page)
        if mine != other and not (zeros and other is None and mine == ZERO_PAGE):
            raise Failure(f"page {page:#x}: libkdumpfile reads {'another' if other else 'none'}")
