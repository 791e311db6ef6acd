"""`lkmfs diff`: the files that were loaded are equal to memory, a changed byte is found and named."""

from __future__ import annotations

import gzip
import lzma
import random
import shutil
import struct
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile

from e2elib.environment import Environment, Image, each
from e2elib.process import Result
from e2elib.runner import Failure, Problems, Skip

SAMPLE = 40
PATCHED = ("kvm", "kvm_amd", "kvm_intel", "i915")   # have patches that leave no trace of what was there


def sample(image: Image) -> list[str]:
    """Some modules, always the same ones."""
    names = sorted(image.originals)
    chosen = random.Random(1).sample(names, min(SAMPLE, len(names)))
    return chosen + [name for name in PATCHED if name in names and name not in chosen]


def diff(env: Environment, image: Image, module: str, path: Path) -> Result:
    """Compares one module with a file."""
    return env.run("diff", image.raw, module, path)


def equal_module(env: Environment, image: Image) -> str:
    """A module of the sample that is equal to its file."""
    for module in sample(image):
        if diff(env, image, module, image.original(module)).code == 0:
            return module
    raise Failure("no module of the sample is equal to its file")


def free_byte(path: Path) -> tuple[int, str]:
    """File offset of a byte of code that no relocation covers, and the function around it."""
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        text = elf.get_section_by_name(".text")
        index = elf.get_section_index(".text")
        covered = {entry["r_offset"] + i for entry in elf.get_section_by_name(".rela.text").iter_relocations()
                   for i in range(-3, 9)}
        for symbol in elf.get_section_by_name(".symtab").iter_symbols():
            if symbol["st_shndx"] != index or symbol["st_info"]["type"] != "STT_FUNC":
                continue
            for at in range(symbol["st_value"] + 12, symbol["st_value"] + symbol["st_size"]):
                if at not in covered:
                    return text["sh_offset"] + at, symbol.name
    raise Failure(f"{path.name} has no byte of code without a relocation")


def test_originals(env: Environment, image: Image) -> None:
    """The files that were loaded."""
    modules = sample(image)
    results = each(lambda module: diff(env, image, module, image.original(module)), modules)
    differ = [module for module, result in zip(modules, results) if result.code == 1]
    broken = [module for module, result in zip(modules, results) if result.code not in (0, 1) or result.err]
    if broken:
        raise Failure(f"no comparison: {', '.join(broken)}")
    if differ:
        raise Failure(f"{len(differ)} of {len(modules)} differ: {', '.join(differ)}")


def test_changed_byte(env: Environment, image: Image) -> None:
    """One byte of one function."""
    module = equal_module(env, image)
    changed = env.folder("diff") / "changed.ko"
    shutil.copyfile(image.original(module), changed)
    changed.chmod(0o644)
    offset, function = free_byte(changed)
    data = bytearray(changed.read_bytes())
    data[offset] ^= 0x55
    changed.write_bytes(data)
    result = diff(env, image, module, changed)
    problems = Problems()
    problems.equal("exit code", result.code, 1)
    problems.check(function in result.out.decode(), f"{function} is not named in {result.out.decode()!r}")
    problems.finish()


def cut_section(original: Path, name: str, path: Path) -> int:
    """Writes the file with the section a byte shorter; returns that byte, -1 where it is none or the linker's."""
    data = bytearray(original.read_bytes())
    with original.open("rb") as stream:
        elf = ELFFile(stream)
        section, index = elf.get_section_by_name(name), elf.get_section_index(name)
        if not section or not section["sh_size"]:
            return -1
        relocations = elf.get_section_by_name(f".rela{name}")
        if relocations and any(entry["r_offset"] + 8 >= section["sh_size"] for entry in relocations.iter_relocations()):
            return -1
        last = data[section["sh_offset"] + section["sh_size"] - 1]
        struct.pack_into("<Q", data, elf["e_shoff"] + index * elf["e_shentsize"] + 0x20, section["sh_size"] - 1)
    path.write_bytes(data)
    return last


def test_inferred_sizes(env: Environment, image: Image) -> None:
    """A section whose size was inferred may be shorter in the file by zeros, but by nothing else."""
    problems, seen = Problems(), set()
    for module in sample(image):
        sections = env.json("cat", image.raw, f"info/{module}.json")["object"]["sections"]
        inferred = {section["name"] for section in sections if section["from"]["size"] == "inferred"}
        for name in inferred & {".rodata", ".exit.text"}:
            path = env.folder("cut") / "cut.ko"
            last = cut_section(image.original(module), name, path)
            if last < 0 or (last == 0) in seen or diff(env, image, module, image.original(module)).code:
                continue
            seen.add(last == 0)
            problems.equal(f"{module} without the last byte of {name}, {last}", diff(env, image, module, path).code,
                           int(last > 0))
    problems.check(True in seen, "no section that ends in a zero")     # others mostly end in what the linker wrote
    problems.finish()


def test_compressed(env: Environment) -> None:
    """gzip, xz, zstd."""
    image = env.sample
    module = equal_module(env, image)
    folder, data = env.folder("diff"), image.original(module).read_bytes()
    (folder / "a.ko.gz").write_bytes(gzip.compress(data))
    (folder / "a.ko.xz").write_bytes(lzma.compress(data))
    if not shutil.which("zstd"):
        raise Skip("zstd is not installed")
    subprocess.run(["zstd", "-q", image.original(module), "-o", folder / "a.ko.zst"], check=True)
    problems = Problems()
    for path in sorted(folder.iterdir()):
        problems.equal(path.name, diff(env, image, module, path).code, 0)
    problems.finish()


def test_bad_files(env: Environment) -> None:
    """What is no module gets one line."""
    image = env.sample
    module, folder = sample(image)[0], env.folder("diff")
    original = image.original(module).read_bytes()
    cases = {"text.ko": b"no module at all\n", "empty.ko": b"", "cut.ko": original[:len(original) // 2],
             "torn.ko.gz": gzip.compress(original)[:-20]}
    problems = Problems()
    for name, data in cases.items():
        (folder / name).write_bytes(data)
        result = diff(env, image, module, folder / name)
        problems.equal(f"{name}: exit code", result.code, 2)
        problems.equal(f"{name}: lines", len(result.error_lines()), 1)
        problems.check(name in result.err, f"{name} is not named in {result.err!r}")
    problems.equal("no such module", diff(env, image, "no_such_module", image.original(module)).code, 2)
    problems.finish()
