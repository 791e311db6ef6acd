"""What opening costs when the image is twenty times as large: no more, where nothing has to be gone through first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from formatslib import avml, codecs, elf, kdump, qemu, xen
from formatslib.check import Case, Checker, Failure
from formatslib.memory import Memory

LARGE = 10 << 30    # against 512 MiB, as 5 GiB is against 256 MiB
RATIO = 1.3
RUNS = 30           # at most: other processes only add to what one costs


class Grown(Memory):
    """The memory with nothing behind it, up to LARGE: whoever writes it leaves a hole in the file."""

    def __init__(self, memory: Memory) -> None:
        """Adds a range to MEMORY."""
        self.path, self.bytes, self.size, self._real = memory.path, memory.bytes, LARGE, memory
        self.ranges = [*memory.ranges, (1 << 32, (1 << 32) + LARGE - memory.size)]

    def pages(self) -> object:
        """Those that hold something."""
        return self._real.pages()


def cost(checker: Checker, image: Path) -> float:
    """Seconds of processor time that `ls` takes."""
    process = subprocess.Popen([checker.binary, "ls", image], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"ls {image}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def compare(checker: Checker, small: Path, large: Path) -> None:
    """Checks that LARGE costs what SMALL does; the least of several runs in turns, for the machine may be busy."""
    one = other = float("inf")
    for run in range(RUNS):
        one, other = min(one, cost(checker, small)), min(other, cost(checker, large))
        if run >= 2 and other <= one * RATIO:
            return
    raise Failure(f"opening takes {other:.3f} s instead of {one:.3f} s: {other / one:.2f} times as long")


def lime(memory: Memory, path: Path) -> None:
    """A record of what was added."""
    avml.write_lime(memory, path, 128 << 20)
    with path.open("ab") as file:
        file.write(avml.header(b"EMiL", 1, 1 << 32, LARGE))
        file.truncate(file.tell() + LARGE)


def cases(memory: Memory) -> list[Case]:
    """A case for each format that can be read anywhere, and one for those that must be gone through."""
    grown = Grown(memory)

    def case(name: str, small: Callable[[Checker, Path], Path], large: Callable[[Checker, Path], Path]) -> Case:
        def check(checker: Checker, folder: Path) -> None:
            compare(checker, small(checker, folder / "small"), large(checker, folder / "large"))
        return f"growth-{name}", check

    def sparse(path: Path, size: int = LARGE) -> Path:
        subprocess.run(["cp", "--sparse=always", memory.path, path], check=True)
        os.truncate(path, size)
        return path

    def split(path: Path) -> Path:
        (path.with_suffix(".001")).symlink_to(memory.path.resolve())
        path.with_suffix(".002").touch()
        os.truncate(path.with_suffix(".002"), LARGE)
        return path.with_suffix(".001")

    def vmcore(checker: Checker, of: Memory, path: Path) -> Path:
        kernel = elf.Kernel(memory, checker.output("cat", checker.raw, "kernel/vmcoreinfo"),
                            checker.output("cat", checker.raw, "kernel/kallsyms"))
        elf.write(of, kernel, path)
        os.truncate(path, path.stat().st_size + (0 if of is memory else LARGE))
        return path

    def dump(of: Memory, path: Path) -> Path:
        kdump.write(kdump.writes(of, "snappy", codecs.AVAILABLE["snappy"]), path)
        return path

    def made(write: Callable[[Memory, Path], object], path: Path) -> Path:
        write(memory, path)
        return path

    def indexed(checker: Checker, folder: Path) -> None:
        snappy = codecs.AVAILABLE["snappy"]
        for name, write in {
            "avml": avml.write, "qemu": qemu.write, "xen": xen.write,
            "flat": lambda memory, path: kdump.write_flat(kdump.writes(memory, "snappy", snappy), path),
        }.items():
            image = made(write, folder / name)
            if b"index took one pass" not in checker.output("cat", image, "log.txt"):
                raise Failure(f"{name}: the log does not say that it took a pass")
            image.unlink()

    return [
        case("raw", lambda checker, _: checker.raw, lambda _, path: sparse(path)),
        case("split", lambda checker, _: checker.raw, lambda _, path: split(path)),
        case("lime", lambda _, path: made(lambda memory, path: avml.write_lime(memory, path, 128 << 20), path),
             lambda _, path: made(lime, path)),
        case("elf", lambda checker, path: vmcore(checker, memory, path), lambda checker, path: vmcore(checker, grown, path)),
        case("kdump", lambda _, path: dump(memory, path), lambda _, path: dump(grown, path)),
        ("growth-indexed", indexed),
    ]
