"""Memory changed by hand: what differs is found and named, and no rule restores on faith what it can't recognize."""

from __future__ import annotations

import json
import mmap
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from e2elib.environment import Environment, Image, each
from e2elib.process import run
from e2elib.runner import Problems
from e2elib.variants import copy, overwrite
from fidelitylib.elf import Elf, Section

PAGE = 4096
MODULES = 9
SITE = 5        # bytes of a call that ftrace made a NOP, and of a return
# Tables of sites whose every byte is known, and bytes of an entry: absolute addresses, or relative to the entry.
TABLES = {"__mcount_loc": 8, ".return_sites": 4}
KINDS = ["code", "string", *(f"{what} of {table}" for table in TABLES for what in ("site", "entry"))]


class Place(NamedTuple):
    """One byte of a module in an image."""

    module: str
    what: str
    address: int
    offset: int     # in the raw file
    symbol: str     # function around it, "" outside of code


class Module:
    """A module as it lies in memory."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.elf = Elf.open(path)

    def page(self, address: int) -> bytes:
        """The page around an address that lies in a section."""
        for section in self.elf.sections:
            if section.addr and section.addr <= address < section.addr + section.size:
                first = section.addr - section.addr % PAGE
                start = section.offset - section.addr % PAGE + (address - first) // PAGE * PAGE
                return self.elf.data[start:start + PAGE]
        return b""

    def function_at(self, address: int) -> str:
        """The function around an address."""
        for symbol in self.elf.symbols:
            if symbol.type == 2 and symbol.value <= address < symbol.value + symbol.size:
                return symbol.name
        return ""

    def sites(self, table: Section, entry: int) -> Iterator[tuple[int, int]]:
        """Address of each entry of a table and of its site, of those in functions of .text."""
        text = self.elf.find(".text")
        data = self.elf.content(table)
        for at in range(0, len(data) - entry + 1, entry):
            value = int.from_bytes(data[at:at + entry], "little", signed=entry == 4)
            site = value if entry == 8 else table.addr + at + value
            if text and text.addr <= site and site + SITE <= text.addr + text.size and self.function_at(site):
                yield table.addr + at, site


def find_page(raw: mmap.mmap, page: bytes) -> int | None:
    """Offset of the only page of an image that holds these bytes."""
    found, at = None, raw.find(page)
    while at >= 0:
        if at % PAGE == 0:
            if found is not None:
                return None
            found = at
        at = raw.find(page, at + 1)
    return found


def place(raw: mmap.mmap, module: Module, what: str, address: int) -> Place | None:
    """Where a byte of a module lies in the image; None when that can't be told for sure."""
    page = module.page(address)
    offset = find_page(raw, page) if len(page) == PAGE and len(set(page)) > 8 else None
    return None if offset is None else Place(module.name, what, address, offset + address % PAGE,
                                             module.function_at(address))


def candidates(module: Module, chance: random.Random) -> dict[str, int]:
    """A byte of a string, of plain code, of a site of each table and of each table."""
    chosen: dict[str, int] = {}
    strings = module.elf.find(".rodata.str1.8") or module.elf.find(".rodata")
    if strings and strings.size:
        chosen["string"] = strings.addr
    covered: set[int] = set()
    for name, entry in TABLES.items():
        table = module.elf.find(name)
        sites = list(module.sites(table, entry)) if table else []
        if sites:
            at, site = chance.choice(sites)
            chosen[f"site of {name}"] = site + chance.randrange(SITE)
            at, _ = chance.choice([pair for pair in sites if pair[1] != site] or sites)
            chosen[f"entry of {name}"] = at + chance.randrange(entry)
        covered |= {address + i for _, address in sites for i in range(SITE)}
    text = module.elf.find(".text")
    plain = [symbol.value + symbol.size // 2 for symbol in module.elf.symbols
             if symbol.type == 2 and text and text.addr <= symbol.value < text.addr + text.size and symbol.size > 32]
    plain = [address for address in plain if address not in covered]
    if plain:
        chosen["code"] = chance.choice(plain)
    return chosen


def doubts(env: Environment, image: Path, module: str) -> set[str]:
    """What /info says could not be restored of a module."""
    info: dict[str, Any] = json.loads(env.output("cat", image, f"info/{module}.json"))
    return {doubt for doubt in info["doubts"] if "left as in memory" in doubt}


def sample(env: Environment, image: Image) -> list[Module]:
    """Some modules of middling size, always the same ones."""
    paths = [path for path in env.loaded(image) if 20_000 < path.stat().st_size < 400_000]
    return [Module(path) for path in random.Random(2).sample(paths, min(MODULES, len(paths)))]


def examine(env: Environment, image: Image, changed: Path, one: Place, problems: Problems) -> None:
    """One module of which one byte was changed."""
    label = f"{one.module}: {one.what} at {one.address:#x}"
    folder = env.folder("tamper")
    file = folder / f"{one.module}.ko"
    file.write_bytes(env.output("cat", changed, f"modules/{one.module}.ko"))
    read = run(["readelf", "-aW", file])
    problems.check(read.code == 0 and not read.err, f"{label}: not a valid file: {read.err[:200]}")
    linked = run(["ld", "-r", "-o", folder / "linked", file])
    problems.check(linked.code == 0, f"{label}: ld: {linked.err[:200]}")
    if "site" in one.what or "entry" in one.what:
        new = doubts(env, changed, one.module) - doubts(env, image.raw, one.module)
        problems.check(new, f"{label}: /info does not say that something was not restored")
    result = env.run("diff", changed, one.module, image.original(one.module))
    said = result.out.decode(errors="replace")
    problems.equal(f"{label}: exit code of diff", result.code, 1)
    if one.symbol:
        problems.check(one.symbol in said, f"{label}: {one.symbol} is not named in {said!r}")
        problems.check(all(f"  {side}  " in said for side in ("memory", "file")), f"{label}: no disassembly in {said!r}")
    elif one.what == "string":
        problems.check(".rodata" in said, f"{label}: not named in {said!r}")


def test_one_byte(env: Environment, image: Image) -> None:
    """A byte of code, of a string, of a patched site, of a table of sites: each in another module of one image."""
    modules, chance = sample(env, image), random.Random(3)
    changed = copy(image.raw, env.folder("tamper") / "image.raw")
    changed.chmod(0o644)
    with image.raw.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        chosen: list[Place] = []
        for index, module in enumerate(modules):
            found = candidates(module, chance)
            kinds = sorted(found, key=lambda what: (KINDS.index(what) - index) % len(KINDS))
            one = next(filter(None, (place(raw, module, what, found[what]) for what in kinds)), None)
            chosen += [one] if one else []
        for one in chosen:
            overwrite(changed, one.offset, bytes([raw[one.offset] ^ chance.randrange(1, 256)]))
    problems = Problems()
    problems.check(len({one.what for one in chosen}) > 3, f"too little was changed: {[one.what for one in chosen]}")
    each(lambda one: examine(env, image, changed, one, problems), chosen)
    problems.finish()
