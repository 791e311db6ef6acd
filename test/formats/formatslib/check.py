"""Runs lkmfs over an image and compares what it gives with what it gives for the raw one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

OWN = {"log.txt", "report.html"}    # name the image's file and format


class Failure(Exception):
    """What lkmfs did wrong, in one line."""


class Skip(Exception):
    """Why a case can't be tried here."""


def require_fuse() -> None:
    """Raises Skip where this user can't mount; in CI that is a failure, as in test/e2e."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as problem:
        raise (Failure if os.environ.get("CI") == "true" else Skip)(f"/dev/fuse: {problem.strerror}") from problem


class Checker:
    """One binary and one guest memory."""

    def __init__(self, binary: Path, reader: Path, raw: Path, work: Path) -> None:
        """Compares with what BINARY makes of the image RAW; READER is read_memory."""
        self.binary, self.reader, self.raw, self.work = binary, reader, raw, work
        self._expected: dict[str, str] = {}

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Runs the binary with these arguments."""
        return subprocess.run([self.binary, *words], capture_output=True, check=False, timeout=600)

    def output(self, *words: str | Path) -> bytes:
        """Its standard output, when it succeeds."""
        result = self.run(*words)
        if result.returncode:
            raise Failure(f"{' '.join(map(str, words))}: exit code {result.returncode}: "
                          f"{result.stderr.decode(errors='replace').strip()}")
        return result.stdout

    @contextmanager
    def mounted(self, image: str | Path, *options: str) -> Iterator[Path]:
        """IMAGE, mounted."""
        require_fuse()
        with tempfile.TemporaryDirectory(dir=self.work) as point:
            words = ["-o", ",".join(option.removeprefix("--") for option in options)] if options else []
            self.output("mount", image, point, *words)
            try:
                yield Path(point)
            finally:
                command = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
                subprocess.run([*command, point], check=True)

    def digests(self, image: str | Path, *options: str) -> dict[str, str]:
        """A hash of every file of the tree, but for those that name the image itself."""
        found = {}
        with self.mounted(image, *options) as root:
            for path in sorted(root.rglob("*")):
                name = str(path.relative_to(root))
                if name not in OWN and path.is_file():
                    with path.open("rb") as file:
                        found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return found

    def expected(self) -> dict[str, str]:
        """The digests of the raw image."""
        if not self._expected:
            self._expected = self.digests(self.raw)
        return self._expected

    def info(self, image: str | Path, *options: str) -> dict:
        """What `info --json` says."""
        return json.loads(self.output("info", *options, "--json", image))

    def same(self, image: str | Path, container: str, *options: str) -> None:
        """Checks that IMAGE is taken for CONTAINER and gives the same files as the raw image."""
        told = self.info(image, *options)["image"]["format"]
        if container.lower() not in told.lower():
            raise Failure(f"taken for {told}, not {container}")
        expected, found = self.expected(), self.digests(image, *options)
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        if wrong:
            raise Failure(f"{len(wrong)} of {len(expected)} files differ: {' '.join(wrong[:5])}")

    def refused(self, image: str | Path, words: str) -> None:
        """Checks that IMAGE is refused with one line that has one of the WORDS, which | separates."""
        result = self.run("ls", image)
        lines = result.stderr.decode(errors="replace").splitlines()
        named = len(lines) == 1 and any(word in lines[0] for word in words.split("|"))
        if result.returncode != 32 or not named or result.stdout:
            raise Failure(f"not refused with '{words}': exit code {result.returncode}, {lines[:3]}")

    def doubted(self, image: str | Path, words: str) -> None:
        """Checks that IMAGE is used, with its loss counted by `info` and named with WORDS in /log.txt.

        KASLR may have put the kernel itself where the loss is: then the image is refused as torn or cut.
        """
        if self.run("info", image).returncode == 32:
            self.refused(image, "torn|cut")
            return
        doubts = self.info(image)["doubts"]
        log = self.output("cat", image, "log.txt").decode(errors="replace")
        if not doubts or not any(words in line and "doubt" in line.lower() for line in log.splitlines()):
            raise Failure(f"{doubts} doubts, none of '{words}': {[line for line in log.splitlines() if words in line][:2]}")


Case = tuple[str, Callable[[Checker, Path], None]]
