"""What QEMU itself wrote: the files of make-guest."""

from __future__ import annotations

import json
from pathlib import Path

from formatslib.check import Case, Checker, Skip

CONTAINERS = {"elf": "ELF", "zlib": "kdump", "lzo": "kdump", "snappy": "kdump", "qevm": "QEMU savevm"}


def hole_of(folder: Path) -> int | None:
    """Where the machine's hole below 4 GiB begins; None for a small one."""
    facts = json.loads((folder / "guest.json").read_text())
    q35 = "q35" in facts["machine"]
    return (0x80000000 if q35 else 0xC0000000) if facts["memory"] >= (0xB0000000 if q35 else 0xE0000000) else None


def cases(folder: Path, work: Path) -> list[Case]:
    """Every file of FOLDER against guest.ram in it; of a large guest that one must give the same with hole= as without."""
    reference: list[Checker] = []

    def checker_of(checker: Checker) -> Checker:
        if not reference:
            reference.append(Checker(checker.binary, folder / "guest.ram", work))
        return reference[0]

    def case(kind: str) -> Case:
        def check(checker: Checker, _: Path) -> None:
            path = folder / f"guest.{kind}"
            if not path.exists():
                raise Skip("this QEMU does not write it")
            checker_of(checker).same(path, CONTAINERS[kind])
        return f"guest-{kind}", check

    def hole(checker: Checker, _: Path) -> None:
        start = hole_of(folder)
        if start is None:
            raise Skip("the guest is too small to have a hole")
        checker_of(checker).same(folder / "guest.ram", "raw", f"--hole={start:#x}")
    return [*map(case, CONTAINERS), ("guest-ram-hole", hole)]
