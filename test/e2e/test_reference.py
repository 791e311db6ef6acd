"""Against what Volatility 3 extracted from the same images, where ../shared/reference has them.

Volatility 3's files have the sections of sect_attrs at their run-time addresses and bytes as in memory, each running to the
next section's address. Its known departures, which are no difference to explain:
- .init* and what else the kernel freed: it writes what lives there now; lkmfs leaves such sections out.
- .symtab and .strtab: the addresses in sect_attrs are stale once a module runs; both tools write tables of their own.
- names longer than 32 bytes: it cuts them off.
- sizes: the bytes are equal up to the section's true end, which is lkmfs' size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from e2elib.environment import Environment
from e2elib.process import run
from e2elib.runner import Failure, Problems, Skip
from fidelitylib.elf import SHT_NOBITS, Elf, Section

NAME_SIZE = 32      # bytes of a name that Volatility 3 reads
STALE = (".init", ".symtab", ".strtab", ".shstrtab")
UNPACK = 900    # seconds


def _unpack(env: Environment, source: Path) -> tuple[Path, Path]:
    """The image, and the folder of Volatility 3's files."""
    folder = env.folder("reference")
    for command in (["zstd", "-dq", "--sparse", source / "image.raw.zst", "-o", folder / "image.raw"],
                    ["tar", "--zstd", "-C", folder, "-xf", source / "volatility3.tar.zst"]):
        try:
            result = run(command, timeout=UNPACK)
        except FileNotFoundError as error:
            raise Skip(f"{command[0]} is not installed") from error
        if result.code:
            raise Failure(result.err)
    return folder / "image.raw", folder / "volatility3"


def _comparable(elf: Elf) -> Iterator[Section]:
    for section in elf.sections:
        if section.name and section.addr and not section.name.startswith(STALE):
            yield section


def _compare(problems: Problems, name: str, theirs: Elf, ours: Elf) -> None:
    found = {(section.name[:NAME_SIZE], section.addr): section for section in ours.sections}
    wanted = list(_comparable(theirs))
    for section in wanted:
        other = found.pop((section.name, section.addr), None)
        if not problems.check(other, f"{name}: no section {section.name} at {section.addr:#x}") or other is None:
            continue
        if other.type != SHT_NOBITS:
            problems.check(other.size <= section.size, f"{name} {section.name}: {other.size} bytes run past the next section")
            problems.check(ours.content(other) == theirs.content(section)[:other.size],
                           f"{name} {section.name}: bytes differ")
    extra = [key[0] for key, section in found.items() if section.alloc and section.addr and section.size]
    problems.equal(f"{name}: sections that Volatility 3 does not have", extra, [])


def test_volatility3(env: Environment) -> None:
    """The same modules, section names and addresses, and equal bytes up to each section's end."""
    reference = env.project.parent / "shared" / "reference"
    if not reference.is_dir():
        raise Skip("there is no ../shared/reference")
    problems = Problems()
    for source in sorted(path for path in reference.iterdir() if (path / "volatility3.tar.zst").is_file()):
        image, folder = _unpack(env, source)
        theirs = {path.stem: path for path in folder.glob("*.elf")}
        ours = {path.stem: path for path in env.extracted(image, "--loaded").glob("*.elf")}
        problems.equal(f"{source.name}: modules", sorted(ours), sorted(theirs))
        for name in theirs.keys() & ours.keys():
            _compare(problems, f"{source.name} {name}", Elf.open(theirs[name]), Elf.open(ours[name]))
        image.unlink()
    problems.finish()
