"""Runs lkmfs over an image and compares what it gives with what it gives for the raw one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

FILES = ("modules.json", "kernel/version", "kernel/kallsyms", "kernel/btf")
EVERY = 8  # one module in so many is compared whole


class Failure(Exception):
    """What lkmfs did wrong, in one line."""


class Skip(Exception):
    """Why a case can't be tried here."""


class Checker:
    """One binary and one guest memory."""

    def __init__(self, binary: Path, raw: Path, work: Path) -> None:
        """Takes the digests of the RAW image."""
        self.binary, self.raw, self.work = binary, raw, work
        names = [line.split()[0] for line in self.output("ls", raw).decode().splitlines()[1:]]
        self.names = names[::EVERY]
        self.expected = self.digests(raw)

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

    def digests(self, image: str | Path, *options: str) -> dict[str, str]:
        """A hash of everything compared."""
        found = {}
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            self.output("extract", *options, image, "-o", folder, *self.names)
            for path in Path(folder).iterdir():
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        for name in FILES:
            found[name] = hashlib.sha256(self.output("cat", *options, image, name)).hexdigest()
        return found

    def info(self, image: str | Path, *options: str) -> dict:
        """What `info --json` says of the image itself."""
        return json.loads(self.output("info", *options, "--json", image))["image"]

    def same(self, image: str | Path, container: str, *options: str) -> None:
        """Checks that IMAGE is taken for CONTAINER and gives the same files as the raw image."""
        told = self.info(image, *options)["format"]
        if container.lower() not in told.lower():
            raise Failure(f"taken for {told}, not {container}")
        found = self.digests(image, *options)
        wrong = sorted(name for name in self.expected | found if self.expected.get(name) != found.get(name))
        if wrong:
            raise Failure(f"{len(wrong)} of {len(self.expected)} files differ: {' '.join(wrong[:5])}")

    def refused(self, image: Path, words: str) -> None:
        """Checks that IMAGE is refused with one line that has WORDS."""
        result = self.run("ls", image)
        lines = result.stderr.decode(errors="replace").splitlines()
        if result.returncode != 32 or len(lines) != 1 or words not in lines[0] or result.stdout:
            raise Failure(f"exit code {result.returncode}, {lines[:3]}")


Case = tuple[str, Callable[[Checker, Path], None]]
