"""What QEMU itself wrote, and what lkmfs found in the guest while it was running: the files of make-guest."""

from __future__ import annotations

import json
from pathlib import Path

from formatslib.check import Case, Checker, Failure, Skip

CONTAINERS = {"elf": "ELF", "zlib": "kdump", "lzo": "kdump", "snappy": "kdump", "qevm": "QEMU savevm"}
COMING_AND_GOING = {"dummy", "loop"}    # while the guest runs


def hole_of(facts: dict) -> int | None:
    """Where the machine's hole below 4 GiB begins; None for a small one."""
    q35 = "q35" in facts["machine"]
    return (0x80000000 if q35 else 0xC0000000) if facts["memory"] >= (0xB0000000 if q35 else 0xE0000000) else None


def kcore(facts: dict) -> None:
    """Checks that lkmfs found in the guest's /proc/kcore the modules that /proc/modules names."""
    told = facts["kcore"]
    if told.get("kcore-exit") != "0" or told.get("kcore-differences") != "0" or int(told.get("kcore-loaded", 0)) < 20:
        raise Failure(f"in the guest: {told}")


def live(checker: Checker, facts: dict, ram: Path) -> None:
    """Checks what lkmfs found in the memory of the running guest: all that stayed, no crash, one line if anything."""
    settled = {line.split()[0] for line in checker.output("ls", ram).decode().splitlines()[1:]} - COMING_AND_GOING
    if not facts["live"]:
        raise Failure("make-guest did not look")
    for found in facts["live"]:
        if found["codes"] != [0, 0] or found["errors"]:
            raise Failure(f"exit codes {found['codes']}: {found['errors'][:3]}")
        lost = settled - set(found["modules"])
        if lost or found["files"] < len(settled):
            raise Failure(f"{found['files']} files; not found: {sorted(lost)[:5]}")


def cases(folder: Path, work: Path) -> list[Case]:
    """Every file of FOLDER against guest.ram in it; of a large guest that one must give the same with hole= as without."""
    facts = json.loads((folder / "guest.json").read_text())
    ram = folder / "guest.ram"
    reference: list[Checker] = []

    def checker_of(checker: Checker) -> Checker:
        if not reference:
            reference.append(Checker(checker.binary, checker.reader, ram, work))
        return reference[0]

    def case(kind: str) -> Case:
        def check(checker: Checker, _: Path) -> None:
            checker_of(checker).same(folder / f"guest.{kind}", CONTAINERS[kind])
        return f"guest-{kind}", check

    def hole(checker: Checker, _: Path) -> None:
        start = hole_of(facts)
        if start is None:
            raise Skip("the guest is too small to have a hole")
        checker_of(checker).same(ram, "raw", f"--hole={start:#x}")
    return [*(case(kind) for kind in CONTAINERS if (folder / f"guest.{kind}").exists()), ("guest-ram-hole", hole),
            ("guest-kcore", lambda *_: kcore(facts)),
            ("guest-live", lambda checker, _: live(checker, facts, ram))]
