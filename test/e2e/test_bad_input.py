"""Whatever is no use gets one line that names the likely cause and the way out, and no mount."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from e2elib import variants
from e2elib.environment import Environment
from e2elib.mount import mounts_of, require_fuse, unmount_all
from e2elib.process import Result, run
from e2elib.runner import Problems, Skip

MIB = 1 << 20
BTF_HEADER = struct.pack("<HBBI", 0xEB9F, 1, 0, 24)


class Bad(NamedTuple):
    """A file of no use, and the words that its message must have: for the cause, for the way out."""

    name: str
    content: bytes
    cause: str
    way_out: str


def _random_bytes() -> bytes:
    return random.Random(1).randbytes(8 * MIB)


def _text() -> bytes:
    return b"".join(b"%d: the quick brown fox jumps over the lazy dog\n" % line for line in range(100000))


def _zip(member: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, content)
    return file.getvalue()


def _packed(command: list[str]) -> bytes:
    result = run(command, stdin=bytes(MIB))
    if result.code:
        raise OSError(result.err)
    return result.out


def bad_files() -> list[Bad]:
    """The files."""
    pages = bytes(MIB)
    windows = b"PAGEDU64" + bytes(8 * MIB)
    files = [
        Bad("empty", b"", "empty", "."),
        Bad("random", _random_bytes(), "kernel|Linux", ";|:|try|give|check"),
        Bad("text.txt", _text(), "text", "image"),
        Bad("zeros", bytes(8 * MIB), "zeros", "acqui|avml|LiME|again"),
        Bad("tiny", b"abc", "small|text", "check|give"),
        Bad("windows.dmp", windows, "Windows", "Linux|MemProcFS"),
        Bad("image.gz", gzip.compress(pages), "gzip", "gzip -d|gunzip"),
        Bad("image.xz", lzma.compress(pages), "xz", "xz -d|unxz"),
        Bad("image.bz2", bz2.compress(pages), "bzip2", "bzip2 -d|bunzip2"),
        Bad("image.E01", b"EVF\x09\x0d\x0a\xff\x00\x01\x01" + bytes(MIB), "EWF|E01", "ewfmount"),
        Bad("image.aff4", _zip("container.description", b"aff4://x" * 1000), "AFF4", "export|convert|mount"),
        Bad("image.zip", _zip("image.raw", pages), "zip", "unzip"),
        Bad("image.avml", struct.pack("<IIQQQ", 0x4C4D5641, 2, 0, MIB - 1, 0) + bytes(MIB), "AVML", "avml-convert|copy or acquire"),
        Bad("core.elf", b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x04\x00\x3e\x00\x01" + bytes(MIB), "ELF", ";|:|, "),
        Bad("image.lime", struct.pack("<IIQQQ", variants.LIME_MAGIC, 1, 0, MIB - 1, 0), "LiME|cut|short|empty", ";|:|, "),
    ]
    for tool, suffix in (("zstd", "zst"), ("lz4", "lz4")):
        try:
            files.append(Bad(f"image.{suffix}", _packed([tool, "-c"]), tool, f"{tool} -d|un{tool}"))
        except FileNotFoundError:
            magic = {"zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18"}[tool]
            files.append(Bad(f"image.{suffix}", magic + _random_bytes()[:MIB], tool, f"{tool} -d|un{tool}"))
    return files


def judge(problems: Problems, what: str, result: Result, cause: str, way_out: str, codes: tuple[int, ...] = (32,)) -> None:
    """The exit code, and one line with a cause and a way out, and nothing on standard output."""
    problems.check(result.code in codes, f"{what}: exit code {result.code}, not {codes}")
    problems.check(not result.out, f"{what}: wrote {result.out[:60]!r} to standard output")
    lines = result.error_lines()
    if problems.check(len(lines) == 1, f"{what}: {len(lines)} lines on standard error: {lines[:3]}"):
        problems.check(re.search(cause, lines[0]), f"{what}: no cause ({cause}) in: {lines[0]}")
        problems.check(re.search(way_out, lines[0]), f"{what}: no way out ({way_out}) in: {lines[0]}")
        problems.check(len(lines[0]) < 500 and lines[0].isprintable(), f"{what}: not one readable line: {lines[0]!r}")


def judge_all(env: Environment, problems: Problems, image: Path, cause: str, way_out: str, what: str = "") -> None:
    """Tries a file with ls, extract and mount."""
    what = what or image.name
    folder = env.folder("target")
    judge(problems, f"ls {what}", env.run("ls", image), cause, way_out)
    output = folder / "output"
    judge(problems, f"extract {what}", env.run("extract", image, "-o", output), cause, way_out)
    problems.check(not output.exists() or not any(output.iterdir()), f"extract {what}: wrote files")
    point = folder / "point"
    point.mkdir()
    try:
        judge(problems, f"mount {what}", env.run("mount", image, point), cause, way_out)
        problems.equal(f"mount {what}: mounts", mounts_of(point), [])
    finally:
        unmount_all(point)


def test_files(env: Environment) -> None:
    """Files that are no memory image."""
    problems, folder = Problems(), env.folder("bad")
    for bad in bad_files():
        path = folder / bad.name
        path.write_bytes(bad.content)
        judge_all(env, problems, path, bad.cause, bad.way_out)
        path.unlink()
    problems.finish()


def test_no_file(env: Environment) -> None:
    """No such file; a folder; a pipe; a file that can't be read."""
    problems, folder = Problems(), env.folder("bad")
    judge_all(env, problems, folder / "nothing", "No such file|no such file|not exist", ".")
    judge_all(env, problems, folder, "folder|directory", "image|file")
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    judge_all(env, problems, fifo, "regular file|pipe|fifo|FIFO", "file|copy|save")
    problems.finish()


def test_hostile_name(env: Environment) -> None:
    """Control characters of a name don't reach the terminal."""
    problems = Problems()
    judge(problems, "hostile name", env.run("ls", env.folder("bad") / "x\x1b[31m\ny"), "No such file|no such", ".")
    problems.finish()


def test_lime_raw(env: Environment) -> None:
    """LiME's format=raw, whose addresses are lost."""
    lime = env.sample.folder / "image.lime"
    if not lime.exists():
        raise Skip("no image in LiME format")
    path = variants.write_lime(lime, env.folder("bad") / "image.raw", variants.lime_ranges(lime), headers=False)
    problems = Problems()
    judge_all(env, problems, path, "LiME|address|format=raw|concatenated", "LiME|lime|format=lime")
    problems.finish()


def test_without_btf(env: Environment) -> None:
    """A Linux image without BTF: which option will help."""
    path = variants.copy(env.sample.raw, env.folder("bad") / "image.raw")
    problems = Problems()
    problems.check(variants.replace_all(path, BTF_HEADER, bytes(len(BTF_HEADER))) > 0, "the image has no BTF to remove")
    judge_all(env, problems, path, "BTF", "symbols")
    problems.finish()


def test_memory_of_no_linux(env: Environment) -> None:
    """Pages with something in them, but no kernel: also when the banner alone is there."""
    problems, folder = Problems(), env.folder("bad")
    noise = bytearray(_random_bytes())
    noise[MIB:MIB + 64] = b"Linux version 6.1.0-1-amd64 (a@b) (gcc) #1 SMP\n".ljust(64, b"\0")
    (folder / "banner.raw").write_bytes(noise)
    judge_all(env, problems, folder / "banner.raw", "kernel|Linux|page table", ";|:|, ")
    problems.finish()


def test_mount_points(env: Environment) -> None:
    """A mount point that is missing, no folder, or not empty."""
    problems, folder, image = Problems(), env.folder("points"), env.sample.raw
    (folder / "file").write_text("a file")
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("kept")
    for name, cause, way_out in (("missing", "No such|no such|not exist|missing", "mkdir|create|make"),
                                 ("file", "not a folder|not a directory|Not a directory", "."),
                                 ("full", "not empty", "nonempty|empty")):
        judge(problems, f"mount point {name}", env.run("mount", image, folder / name), cause, way_out, (32, 1))
        problems.equal(f"{name}: mounts", mounts_of(folder / name), [])
    problems.equal("the file beneath", (folder / "full" / "file").read_text(), "kept")
    problems.finish()


def test_usage(env: Environment) -> None:
    """Wrong usage: exit code 1, one line that leads to the help."""
    problems, image = Problems(), env.sample.raw
    point = env.folder("point")
    commands: list[list[str | Path]] = [
        [], ["frobnicate"], ["ls"], ["ls", image, "extra"], ["ls", "--frobnicate", image], ["cat", image], ["mount", image],
        ["mount", image, point, "-o", "frobnicate"], ["mount", image, point, "-o", "cache=many"], ["mount", image, point, "-o"],
        ["mount", image, point, "-o", "dtb=12345"], ["extract", image, "--threads=0"],
        ["mount", image, point, "extra"], ["ls", "--types=magic", image],
    ]
    for command in commands:
        what = " ".join(map(str, command)).replace(str(image), "IMAGE")
        judge(problems, what or "(nothing)", env.run(*command), ".", ".", (1,))
    problems.equal("mounts", mounts_of(point), [])
    problems.finish()


def test_no_such_module(env: Environment) -> None:
    """A name that the tree does not have."""
    problems, image = Problems(), env.sample.raw
    for path in ("modules/nothing.ko", "nothing", "../etc/passwd", "modules/../modules.txt", "modules"):
        judge(problems, f"cat {path}", env.run("cat", image, path), re.escape(path), ".", (1, 2, 32))
    result = env.run("extract", image, "-o", env.folder("output"), "nothing")
    judge(problems, "extract nothing", result, "nothing", "ls", (1, 2, 32))
    problems.finish()


def test_help(env: Environment) -> None:
    """Help goes to standard output, and names every command."""
    problems = Problems()
    text = env.output("--help").decode()
    for command in ("mount", "ls", "extract", "info", "diff", "check", "cat"):
        problems.check(f"lkmfs {command}" in text, f"--help does not name {command}")
        problems.check(f"lkmfs {command}" in env.output("help", command).decode(), f"help {command}")
        if b"not in this version yet" not in env.output("help", command):
            problems.check(env.output(command, "--help"), f"{command} --help")
    problems.check(re.fullmatch(r"lkmfs \d+\.\d+\.\d+\n", env.output("--version").decode()), "--version")
    problems.finish()


def test_full_disk(env: Environment) -> None:
    """Output that can't be written is an error, not a short file."""
    problems, image = Problems(), env.sample.raw
    writers: list[Callable[[str], list[str | Path]]] = [
        lambda binary: ["sh", "-c", '"$0" cat "$1" kernel/kallsyms > /dev/full', binary, image],
        lambda binary: ["sh", "-c", '"$0" ls --json "$1" > /dev/full', binary, image]]
    for writer in writers:
        judge(problems, "/dev/full", run(writer(str(env.lkmfs))), "No space", ".", (2,))
    problems.finish()


def test_no_fuse_needed(env: Environment) -> None:
    """Only mounting needs /dev/fuse; where it is missing, mount says so in one line and leaves nothing."""
    require_fuse()
    if os.geteuid() != 0:
        raise Skip("needs root, to hide /dev/fuse")
    point = env.folder("point")
    script = 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && chmod 666 /dev/null && exec "$@"'
    hidden = ["unshare", "-m", "sh", "-c", script, "sh", env.lkmfs]
    if run([*hidden[:5], "sh", "true"]).code:
        raise Skip("unshare(1) is not allowed here")
    problems, image = Problems(), env.sample.raw
    result = run([*hidden, "ls", image])
    problems.check(result.code == 0 and result.out == env.output("ls", image), f"ls: {result.err}")
    judge(problems, "mount", run([*hidden, "mount", image, point]), "/dev/fuse|FUSE|fuse", "modprobe|extract|cat|load", (2, 32))
    problems.finish()
