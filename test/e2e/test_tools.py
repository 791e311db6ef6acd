"""Every tool takes the rebuilt files for what they are: it warns of none, or of no more than of the original."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from e2elib.environment import Environment, Image, each
from e2elib.process import Result, run
from e2elib.runner import Problems, Skip
from fidelitylib.elf import STT_FUNC, Elf
from ghidra_rules import findings

HERE = Path(__file__).resolve().parent
# What modinfo tells and the kernel keeps; license only as far as the taints tell.
KEPT_FIELDS = ("name", "version", "srcversion", "retpoline", "intree", "vermagic")


def need(tool: str) -> None:
    """Raises Skip when `tool` is not installed."""
    if not shutil.which(tool):
        raise Skip(f"{tool} is not installed")


def _silent(problems: Problems, name: str, result: Result) -> None:
    problems.check(result.code == 0 and not result.err,
                   f"{name}: exit code {result.code}, {' | '.join(result.error_lines()[:3])}")


def _on_all(files: list[Path], command: Callable[[Path], list[str | Path]], bad: bytes = b"") -> None:
    """Runs a tool on every file: it must succeed, say nothing on standard error, and not print `bad`."""
    problems = Problems()

    def work(path: Path) -> tuple[Path, Result, bool]:
        result = run(command(path))
        return path, result._replace(out=b""), bool(bad) and bad in result.out

    for path, result, is_bad in each(work, files):
        _silent(problems, path.name, result)
        problems.check(not is_bad, f"{path.name}: printed {bad.decode()}")
    problems.finish()


def test_readelf(env: Environment, image: Image) -> None:
    """readelf -aW, of both kinds of files."""
    need("readelf")
    _on_all(env.rebuilt(image) + env.loaded(image), lambda path: ["readelf", "-aW", path], b"<corrupt")


def test_eu_readelf(env: Environment, image: Image) -> None:
    """eu-readelf -a, of both kinds of files."""
    need("eu-readelf")
    _on_all(env.rebuilt(image) + env.loaded(image), lambda path: ["eu-readelf", "-a", path])


def test_nm(env: Environment, image: Image) -> None:
    """nm"""
    need("nm")
    _on_all(env.rebuilt(image) + env.loaded(image), lambda path: ["nm", path])


def test_eu_elflint(env: Environment, image: Image) -> None:
    """eu-elflint --gnu-ld finds no more errors than in the original."""
    need("eu-elflint")
    problems = Problems()

    def lint(path: Path) -> list[str]:
        result = run(["eu-elflint", "--gnu-ld", path])
        lines = (result.out.decode(errors="replace") + result.err).splitlines()
        return [] if result.code == 0 else lines

    def work(path: Path) -> tuple[str, list[str], int]:
        errors = lint(path)
        return path.stem, errors, len(lint(image.original(path.stem))) if errors else 0

    for name, errors, allowed in each(work, env.rebuilt(image)):
        problems.check(len(errors) <= allowed, f"{name}: {len(errors)} errors, the original has {allowed}; {errors[:3]}")
    problems.finish()


def test_ld(env: Environment, image: Image) -> None:
    """ld -r links every file alone."""
    need("ld")
    folder = env.folder("ld")
    _on_all(env.rebuilt(image), lambda path: ["ld", "-r", "-o", folder / path.name, path])


def _fields(path: Path) -> dict[str, str]:
    result = run(["modinfo", path])
    if result.code or result.err:
        return {"": f"exit code {result.code}: {result.err.strip()}"}
    pairs = (line.partition(":") for line in result.out.decode(errors="replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def test_modinfo(env: Environment, image: Image) -> None:
    """modinfo prints what it prints of the original, as far as the kernel keeps it."""
    need("modinfo")
    problems = Problems()
    for path, got in zip(env.rebuilt(image), each(_fields, env.rebuilt(image))):
        wanted = _fields(image.original(path.stem))
        problems.check("" not in got, f"{path.name}: {got.get('')}")
        for name in KEPT_FIELDS:
            problems.equal(f"{path.name} {name}", got.get(name), wanted.get(name))
        # The kernel keeps which modules are used, not in which order modpost named them.
        problems.equal(f"{path.name} depends", sorted(got.get("depends", "").split(",")),
                       sorted(wanted.get("depends", "").replace("-", "_").split(",")))
    problems.finish()


def test_objdump(env: Environment, image: Image) -> None:
    """objdump -d finds no "(bad)" instruction that the original does not have."""
    need("objdump")
    problems = Problems()

    def disassemble(path: Path) -> tuple[Result, int]:
        result = run(["objdump", "-d", path])
        return result._replace(out=b""), len(re.findall(rb"\(bad\)", result.out))

    def work(path: Path) -> tuple[Path, Result, int, int]:
        result, bad = disassemble(path)
        return path, result, bad, disassemble(image.original(path.stem))[1] if bad else 0

    for path, result, bad, allowed in each(work, env.rebuilt(image)):
        _silent(problems, path.name, result)
        problems.check(bad <= allowed, f"{path.name}: {bad} bad instructions, the original has {allowed}")
    problems.finish()


def _sample(files: list[Path], count: int = 12) -> list[Path]:
    """The largest files and some others."""
    by_size = sorted(files, key=lambda path: path.stat().st_size)
    return by_size[-count // 4:] + by_size[::max(1, len(files) // count)]


def test_gdb(env: Environment, image: Image) -> None:
    """gdb lists the functions and disassembles one, of a sample."""
    need("gdb")
    problems = Problems()

    def work(path: Path) -> tuple[Path, set[str], Result]:
        elf = Elf.open(path)
        names = {symbol.name for symbol in elf.symbols if symbol.type == STT_FUNC and symbol.size > 16}
        names = {name for name in names if re.fullmatch(r"\w+", name)}
        show = ["-ex", f"disassemble '{min(names)}'"] if names else []
        # Without the language gdb takes names with __ for Ada's.
        plain = ["-ex", "set language c", "-ex", "set print demangle off"]
        return path, names, run(["gdb", "-nx", "-batch", *plain, "-ex", "info functions", *show, path])

    for path, names, result in each(work, _sample(env.rebuilt(image))):
        _silent(problems, path.name, result)
        shown = set(re.findall(r"^0x[0-9a-f]+ +(\w+)$", result.out.decode(errors="replace"), re.MULTILINE))
        problems.check(names <= shown, f"{path.name}: gdb does not list {sorted(names - shown)[:5]}")
        problems.check(not names or b"End of assembler dump" in result.out, f"{path.name}: nothing disassembled")
    problems.finish()


def test_yara(env: Environment, image: Image) -> None:
    """yara's elf module recognizes every file."""
    need("yara")
    files = env.rebuilt(image)
    result = run(["yara", "-r", "-w", HERE / "modules.yar", files[0].parent])
    problems = Problems()
    _silent(problems, "yara", result)
    matched = {line.partition(" ")[2].rpartition("/")[2] for line in result.out.decode().splitlines()}
    problems.equal("files that no rule matches", sorted({path.name for path in files} - matched), [])
    problems.finish()


def test_pyelftools(env: Environment, image: Image) -> None:
    """pyelftools reads all sections, symbols, notes, and the ends of every relocation table."""
    try:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.relocation import RelocationSection
        from elftools.elf.sections import NoteSection, SymbolTableSection
    except ImportError as error:
        raise Skip("python3-pyelftools is not installed") from error
    problems = Problems()
    for path in env.rebuilt(image):
        with path.open("rb") as file:
            elf = ELFFile(file)
            for section in elf.iter_sections():
                if isinstance(section, SymbolTableSection):
                    problems.check(sum(1 for _ in section.iter_symbols()) > 1, f"{path.name}: no symbols")
                elif isinstance(section, NoteSection):
                    problems.check(list(section.iter_notes()), f"{path.name}: no note in {section.name}")
                elif isinstance(section, RelocationSection) and section.num_relocations():
                    last = section.get_relocation(section.num_relocations() - 1)
                    target = elf.get_section(section["sh_info"])
                    problems.check(last["r_offset"] < target["sh_size"], f"{path.name}: {section.name} ends outside")
    problems.finish()


def test_lief(env: Environment, image: Image) -> None:
    """LIEF reads sections and symbols."""
    try:
        import lief
    except ImportError as error:
        raise Skip("LIEF's Python module is not installed (Debian has none)") from error
    problems = Problems()
    for path in env.rebuilt(image):
        binary, elf = lief.parse(str(path)), Elf.open(path)
        if problems.check(binary is not None, f"{path.name}: not read"):
            problems.equal(f"{path.name} sections", len(binary.sections), len(elf.sections))
    problems.finish()


def test_ghidra_rules(env: Environment, image: Image) -> None:
    """Nothing that Ghidra's loader stumbles over, but for what it stumbles over in the original."""
    problems = Problems()
    for path in env.rebuilt(image):
        found = findings(Elf.open(path))
        if found:
            found -= findings(Elf.open(image.original(path.stem)))
        problems.check(not found, f"{path.name}: {dict(found.most_common(3))}")
    problems.finish()
