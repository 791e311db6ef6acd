"""Runs lkmfs on a damaged image and says what came back, and what must never."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fidelity"))
from fidelitylib.elf import SHT_NOBITS, Elf, ElfError    # noqa: E402  # pylint: disable=wrong-import-position

from .kernel import Kernel  # noqa: E402
from .patient import PAGE, Damage, Patient  # noqa: E402

CPU_SECONDS = 10    # on a busy machine the wall clock tells nothing
WALL_SECONDS = 120  # one that waits forever
MEMORY_MAX = 512 << 20
DOUBTS = "so this may not be all"    # the line that says there are doubts
REFUSED = 32
INFO_EVERY = 4      # how often /info is read where this test can't tell what it must say
MODULE_AREA = 0xFFFF_FFFF_A000_0000


class Ran(NamedTuple):
    """What lkmfs did."""

    code: int       # negative: the signal it died of
    out: bytes
    lines: list[str]
    seconds: float  # CPU
    memory: int

    def errors(self) -> list[str]:
        """The lines that speak of more than doubts."""
        return [line for line in self.lines if DOUBTS not in line]


@dataclass
class Verdict:
    """What came back from one damaged image."""

    kind: str
    name: str
    outcome: str                    # "same", "other", "fewer", "refused"
    said: str = ""                  # the first line on standard error
    faults: list[str] = field(default_factory=list)
    missing: int = 0                # bytes that /info says are missing
    seconds: float = 0
    memory: int = 0


def _run(command: Sequence[str | Path]) -> Ran:
    """Runs lkmfs within its limits; what it printed goes to files, as pipes would need a reader."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Set before it starts: of a process that has given up its rights, the limits may be out of reach.
        limited = ["prlimit", f"--cpu={CPU_SECONDS}:{CPU_SECONDS + 1}", *command]
        child = subprocess.Popen(limited, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        timer = threading.Timer(WALL_SECONDS, child.kill)
        timer.start()
        _, status, used = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Ran(child.returncode, out.read(), err.read().decode(errors="replace").splitlines(),
                   used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def elf_faults(data: bytes) -> str:
    """Why a file is no sound ELF file; "" when it is."""
    try:
        elf = Elf(data)
        for section in elf.sections[1:]:
            if section.type != SHT_NOBITS and section.offset + section.size > len(data):
                return f"{section.name} lies past the end of the file"
            if section.link >= len(elf.sections):
                return f"{section.name} is linked to section {section.link}"
        for symbol in elf.symbols:
            if len(elf.sections) <= symbol.shndx < 0xFF00:
                return f"symbol {symbol.name} is in section {symbol.shndx}"
        for table in elf.relocation_tables():
            size = elf.sections[table.info].size
            for relocation in elf.relocations(table):
                if relocation.symbol >= len(elf.symbols) or relocation.offset >= size:
                    return f"{table.name} has an entry for {relocation.offset:#x}, symbol {relocation.symbol}"
    except ElfError as error:
        return str(error)
    return ""


class Judge:
    """Knows what lkmfs makes of the sound image; one a worker."""

    def __init__(self, lkmfs: Path, kernel: Kernel, names: Sequence[str], work: Path) -> None:
        """Extracts the modules `names`, all if empty, of the sound image, and will of damaged ones."""
        self._lkmfs, self._kernel, self._names, self._work = lkmfs, kernel, list(names), work
        self._known: set[bytes] = set()
        self._turn = 0
        self._sound = self._files(self._extract(kernel.original.path))
        self._modules = self._count_modules(kernel.original.path)
        self._doubts = self._count_doubts(kernel.original.path)

    def _extract(self, image: Path) -> Ran:
        shutil.rmtree(self._work, ignore_errors=True)
        return _run([self._lkmfs, "extract", image, "-o", self._work, *self._names])

    def _files(self, ran: Ran) -> dict[str, bytes]:
        if ran.code:
            raise RuntimeError(f"the sound image: exit code {ran.code}: {ran.lines}")
        return {path.name: hashlib.sha256(path.read_bytes()).digest() for path in self._work.glob("*.ko")}

    def _new_files(self, verdict: Verdict) -> dict[str, bytes]:
        """Digests of what was written; each file that was never seen before is examined."""
        digests: dict[str, bytes] = {}
        for path in self._work.glob("*") if self._work.is_dir() else ():
            data = path.read_bytes()
            digests[path.name] = hashlib.sha256(data).digest()
            if digests[path.name] not in self._known:
                fault = elf_faults(data)
                if fault:
                    verdict.faults.append(f"no sound ELF: {path.name}: {fault}")
                else:
                    self._known.add(digests[path.name])
        return digests

    def examine(self, patient: Patient, damage: Damage) -> Verdict:
        """Damages the image, runs lkmfs on it, heals it."""
        with patient.damaged(damage) as image:
            verdict = Verdict(damage.kind, damage.name, "refused")
            ran = self._extract(image)
            verdict.said = ran.lines[0] if ran.lines else ""
            self._weigh(ran, verdict)
            if ran.code in (0, 2) and not verdict.faults:
                digests = self._new_files(verdict)
                verdict.outcome = ("fewer" if len(digests) < len(self._sound)
                                   else "same" if digests == self._sound else "other")
                self._examine_info(patient, damage, sorted(digests), verdict)
                # One whose name was hit has another name.
                lost = verdict.outcome == "fewer" and self._count_modules(image) < self._modules
                if lost and self._count_doubts(image) <= self._doubts:
                    verdict.faults.append(f"silent loss: {len(digests)} of {len(self._sound)} modules, no doubt in log.txt")
                if lost and not any(DOUBTS in line for line in ran.lines):
                    verdict.faults.append(f"loss of {len(self._sound) - len(digests)} modules not said on standard error")
            return verdict

    def _count_modules(self, image: Path) -> int:
        """Modules that lkmfs finds, whatever their names."""
        return _run([self._lkmfs, "cat", image, "modules.txt"]).out.count(b"\n")

    def _count_doubts(self, image: Path) -> int:
        """Lines of log.txt that say what lkmfs could not make out."""
        return sum(line.startswith(b"doubt: ") for line in _run([self._lkmfs, "cat", image, "log.txt"]).out.splitlines())

    @staticmethod
    def _weigh(ran: Ran, verdict: Verdict) -> None:
        """Limits, exit code and messages."""
        verdict.seconds, verdict.memory = max(verdict.seconds, ran.seconds), max(verdict.memory, ran.memory)
        if ran.code in (-signal.SIGXCPU, -signal.SIGKILL):
            verdict.faults.append(f"hang: {ran.seconds:.1f} s of CPU")
        elif ran.code < 0:
            verdict.faults.append(f"crash: {signal.Signals(-ran.code).name}")
        elif ran.code not in (0, 2, REFUSED):
            verdict.faults.append(f"exit code {ran.code}: {ran.lines[:1]}")
        if ran.memory > MEMORY_MAX:
            verdict.faults.append(f"memory: {ran.memory >> 20} MiB")
        if any(not line.isprintable() or not line.startswith("lkmfs: ") for line in ran.lines):
            verdict.faults.append(f"unreadable message: {ran.lines[:2]}")
        errors = ran.errors()
        if (ran.code == REFUSED and len(errors) != 1) or (ran.code == 2 and not errors) or (ran.code == 0 and errors):
            verdict.faults.append(f"exit code {ran.code} with {len(errors)} lines: {errors[:2]}")

    def _examine_info(self, patient: Patient, damage: Damage, files: Sequence[str], verdict: Verdict) -> None:
        """Takes one of the modules and compares what /info says is missing with what can't be read."""
        self._turn += 1
        if not files or not (damage.tells_losses or self._turn % INFO_EVERY == 0):
            return
        module = files[self._turn % len(files)].removesuffix(".ko")
        ran = _run([self._lkmfs, "cat", patient.path, f"info/{module}.json"])
        self._weigh(ran, verdict)
        if ran.code:
            verdict.faults.append(f"info/{module}.json: exit code {ran.code}: {ran.lines[:1]}")
            return
        try:
            info = json.loads(ran.out)
        except ValueError as error:
            verdict.faults.append(f"info/{module}.json: {error}")
            return
        for section in (info["object"] or {}).get("sections", ()):
            verdict.missing += section["missing_bytes"]
            gone = section["from"]["data"] == "missing"    # said for the whole section
            if damage.tells_losses and not gone and int(section["address"] or "0", 16) >= MODULE_AREA:
                self._compare_missing(patient, section, verdict)

    def _compare_missing(self, patient: Patient, section: dict[str, Any], verdict: Verdict) -> None:
        paging = self._kernel.paging_of(patient.read)
        start, size = int(section["address"], 16), section["size"]
        missing = [(run["offset"], run["offset"] + run["size"]) for run in section["missing"]]
        for page in range(start & ~(PAGE - 1), start + size, PAGE):
            begin, end = max(page, start) - start, min(page + PAGE, start + size) - start
            at = paging.physical(page)
            lost = at is None or at >= patient.original.size or not patient.read(at, 1)
            said = any(first < end and begin < last for first, last in missing)
            if lost and not said:
                verdict.faults.append(f"silent loss: {section['name']}+{begin:#x} of {section['address']}")
                return
