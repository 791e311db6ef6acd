"""The same memory gives the same files, whatever holds it and however it was damaged where lkmfs need not look."""

from __future__ import annotations

import functools
import hashlib
import os
import resource
from pathlib import Path

from e2elib import variants
from e2elib.environment import Environment, Image
from e2elib.runner import Failure, Problems, Skip

MIB, GIB = 1 << 20, 1 << 30
# report.html and log.txt speak of the container, so may differ.
SINGLE_FILES = ("modules.json", "modules.txt", "kernel/version", "kernel/kallsyms", "kernel/btf")


@functools.cache
def digests(env: Environment, image: Path) -> dict[str, str]:
    """A hash of everything that the tree has of modules and kernel."""
    found: dict[str, str] = {}
    for kind in ("", "--loaded"):
        folder = env.extracted(image, kind)
        for path in folder.iterdir():
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    names = sorted(name.removesuffix(".ko") for name in found if name.endswith(".ko"))
    for name in (*SINGLE_FILES, *(f"info/{name}.json" for name in names[::100])):
        found[name] = hashlib.sha256(env.output("cat", image, name)).hexdigest()
    return found


def expect_same(env: Environment, image: Path, other: Path) -> None:
    """Compares everything of two images."""
    problems = Problems()
    one, two = digests(env, image), digests(env, other)
    problems.equal("files", sorted(two), sorted(one))
    for name in one.keys() & two.keys():
        problems.equal(name, two[name], one[name])
    problems.finish()


def need(path: Path) -> Path:
    """Raises Skip when the image does not come in that format."""
    if not path.exists():
        raise Skip(f"{path.parent.name} has no {path.name}")
    return path


def test_lime(env: Environment) -> None:
    """LiME as raw."""
    image = env.sample
    lime = need(image.folder / "image.lime")
    if env.json("info", "--json", lime)["image"]["format"] != "LiME":
        raise Failure("not taken for LiME")
    expect_same(env, image.raw, lime)


def test_elf(env: Environment) -> None:
    """An ELF core as raw."""
    image = env.sample
    elf = need(image.folder / "image.elf")
    if "ELF" not in env.json("info", "--json", elf)["image"]["format"]:
        raise Failure("not taken for an ELF core")
    expect_same(env, image.raw, elf)


def test_elf_without_notes(env: Environment) -> None:
    """An ELF core that tells no CR3 and no VMCOREINFO."""
    image = env.sample
    elf = need(image.folder / "image.elf")
    expect_same(env, image.raw, variants.drop_elf_notes(variants.copy(elf, env.folder("notes") / "image")))


def test_lime_many_ranges(env: Environment) -> None:
    """Thousands of ranges in no order, under another format's name."""
    image = env.sample
    lime = need(image.folder / "image.lime")
    parts = variants.split_ranges(variants.lime_ranges(lime), 100 * 1024)
    if len(parts) < 2000:
        raise Failure(f"only {len(parts)} ranges")
    expect_same(env, image.raw, variants.write_lime(lime, env.folder("ranges") / "image.elf", parts))


def test_lime_last_range_cut(env: Environment) -> None:
    """What is there of a last range that was cut short is used, and the log says so."""
    image = env.sample
    lime = need(image.folder / "image.lime")
    parts = sorted(variants.split_ranges(variants.lime_ranges(lime), MIB))
    unused = next(part for part in reversed(parts) if part[1] == MIB and variants.is_zero(lime, part[2], MIB))
    parts.remove(unused)
    path = variants.write_lime(lime, env.folder("cut") / "image", [*parts, unused])
    os.truncate(path, path.stat().st_size - MIB // 2)
    problems = Problems()
    problems.equal("modules", env.output("ls", path), env.output("ls", image.raw))
    problems.check(env.json("info", "--json", path)["doubts"] > env.json("info", "--json", image.raw)["doubts"],
                   "no doubt about the cut range")
    problems.check("doubt" in env.run("ls", path).err, "ls says nothing of the doubt")
    problems.equal("said of a sound image", env.run("ls", image.raw).err, "")
    problems.finish()


def test_first_mib_zeroed(env: Environment, image: Image) -> None:
    """Without the trampoline's page table the kernel's is found another way."""
    path = variants.copy(image.raw, env.folder("zeroed") / "image")
    expect_same(env, image.raw, variants.overwrite(path, 0, bytes(MIB)))


def test_truncated(env: Environment, image: Image) -> None:
    """A cut image opens, or is refused with one line."""
    problems, folder = Problems(), env.folder("truncated")
    size = image.raw.stat().st_size
    for percent in (99, 90, 75, 50, 33, 20, 10, 5, 1):
        path = variants.cut(image.raw, folder / "image", size * percent // 100 + 1234)
        result = env.run("ls", path)
        refused = result.code == 32 and len(result.error_lines()) == 1 and not result.out
        opened = result.code == 0 and result.out and all("doubt" in line for line in result.error_lines())
        problems.check(refused or opened, f"{percent} %: exit code {result.code}, {result.error_lines()[:3]}")
        path.unlink()
    problems.finish()


def test_same_bytes_again(env: Environment, image: Image) -> None:
    """The same image gives the same bytes in another run, with other threads."""
    problems, folder = Problems(), env.folder("again")
    env.output("extract", image.raw, "-o", folder, "--threads=1")
    for path in env.rebuilt(image):
        problems.check(path.read_bytes() == (folder / path.name).read_bytes(), f"{path.name} differs")
    problems.finish()


def cost_of_ls(env: Environment, image: Path) -> float:
    """Seconds of processor time."""
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    env.output("ls", image)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime - started.ru_utime + ended.ru_stime - started.ru_stime


def test_sparse_64_gib(env: Environment, image: Image) -> None:
    """Opening costs the same processor time when the image is extended to 64 GiB of holes."""
    large = variants.copy(image.raw, env.folder("sparse") / "image")
    os.truncate(large, 64 * GIB)
    small_time = large_time = float("inf")
    for run in range(30):       # at most: other processes only add to what one costs
        small_time, large_time = min(small_time, cost_of_ls(env, image.raw)), min(large_time, cost_of_ls(env, large))
        if run >= 4 and large_time <= 1.2 * small_time:
            return
    raise Failure(f"{large_time:.3f} s, {small_time:.3f} s as it was: {large_time / small_time:.2f} times")
