"""The cases, one function each."""

import json
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import mounts, process
from .figures import Figures

_GIB = 1 << 30
_BLOCK = 4 << 20        # what the full scan reads at a time


@dataclass
class Bench:
    """What every case needs."""

    binary: Path
    image: Path
    work: Path
    runs: int
    figures: Figures

    def seconds(self, *arguments: str | Path) -> Callable[[], float]:
        """An action that times `lkmfs arguments...`."""
        return lambda: process.once([self.binary, *arguments]).seconds

    def extracting(self, *arguments: str) -> Callable[[], process.Run]:
        """An action that extracts modules (all when none is named) into a fresh folder, which is then removed."""
        def action() -> process.Run:
            folder = self.work / "extracted"
            run = process.once([self.binary, "extract", self.image, "-o", folder, *arguments])
            shutil.rmtree(folder)
            return run
        return action

    def modules(self, measure: Callable[[Path], int]) -> dict[str, int]:
        """All modules by a measure of their .ko, smallest first."""
        folder = self.work / "all"
        process.once([self.binary, "extract", self.image, "-o", folder])
        sizes = {path.stem: measure(path) for path in folder.iterdir()}
        shutil.rmtree(folder)
        return dict(sorted(sizes.items(), key=lambda item: item[1]))

    def sizes(self) -> dict[str, int]:
        """All modules by the size of their .ko, smallest first."""
        return self.modules(lambda path: path.stat().st_size)

    def copy(self, name: str) -> Path:
        """A sparse copy of the image."""
        path = self.work / name
        subprocess.run(["cp", "--sparse=always", self.image, path], check=True)
        return path


def _symbols(path: Path) -> int:
    """How many symbols an ELF file has."""
    data = path.read_bytes()
    table, = struct.unpack_from("<Q", data, 0x28)
    entry, count = struct.unpack_from("<2H", data, 0x3a)
    headers = (struct.unpack_from("<I24xQ", data, table + index * entry + 4) for index in range(count))
    return next(size // 24 for kind, size in headers if kind == 2)      # SHT_SYMTAB


def growth(bench: Bench) -> None:
    """ls of the image, and of the same image extended to 5 and 64 GiB."""
    grown = bench.copy("grown.raw")
    sizes = {"5 GiB": 5 * _GIB, "64 GiB": 64 * _GIB}

    def extended(size: int) -> Callable[[], float]:
        def action() -> float:
            with grown.open("r+b") as file:
                file.truncate(size)
            return bench.seconds("ls", grown)()
        return action

    base, *rest = process.medians(bench.runs, [bench.seconds("ls", bench.image), *map(extended, sizes.values())])
    bench.figures.add("ls, whole process", base, "s", 0.10)
    for name, value in zip(sizes, rest):
        bench.figures.add(f"ls of the same in {name}, against it", value / base, "x", 1.1)
    grown.unlink()


def memory(bench: Bench) -> None:
    """Bytes read and memory held."""
    info = json.loads(subprocess.run([bench.binary, "info", bench.image, "--json"], check=True,
                                     capture_output=True).stdout)
    count = info["modules"]["count"]
    bench.figures.add("read from the image for ls", info["image"]["bytes_read"] / (1 << 20), "MiB", 32)
    bench.figures.add("resident memory of ls", process.once([bench.binary, "ls", bench.image]).resident, "MiB", 48)
    bench.figures.add("resident memory of extracting everything", bench.extracting()().resident, "MiB", 128 + 256,
                      f"{count} modules")
    point = bench.work / "mnt"
    with mounts.lkmfs(bench.binary, bench.image, point):
        shutil.copytree(point / "modules", bench.work / "copied")
        bench.figures.add("resident memory of the mount after cp -r", mounts.peak_memory(point), "MiB", 128 + 256)
    shutil.rmtree(bench.work / "copied")


def extract(bench: Bench) -> None:
    """Rebuilding all modules."""
    sizes = bench.sizes()
    for_150 = 150 / len(sizes)
    all_of_them = bench.extracting()
    seconds, cpu = process.medians(bench.runs, [lambda: all_of_them().seconds, lambda: all_of_them().cpu])
    bench.figures.add("extract, all modules", seconds, "s", None,
                      f"{len(sizes)} modules, {sum(sizes.values()) >> 20} MiB")
    bench.figures.add("extract, for 150 modules", seconds * for_150, "s", 1.0)
    bench.figures.add("extract, processor time for 150 modules", cpu * for_150, "s")


def _nearest(bench: Bench, measured: dict[str, int], wanted: tuple[int, ...], unit: str) -> None:
    """Processor time of extracting one module, for those whose measure is nearest to each that is wanted."""
    near = [min(measured, key=lambda name, value=value: abs(measured[name] - value)) for value in wanted]
    times = process.medians(bench.runs, [lambda name=name: bench.extracting(name)().cpu for name in near])
    for name, seconds in zip(near, times):
        bench.figures.add("extract of one module, processor time", seconds, "s", None, f"{name}, {measured[name]} {unit}")


def series(bench: Bench) -> None:
    """How extract grows: with modules, the size and the symbols of one; and what threads bring."""
    sizes = bench.sizes()
    names = list(sizes)
    counts = [count for count in (1, 10, 30, 100, 300) if count <= len(names)]
    chosen = [names[::len(names) // count][:count] for count in counts]
    times = process.medians(bench.runs, [lambda some=some: bench.extracting(*some)().cpu for some in chosen])
    for count, seconds in zip(counts, times):
        bench.figures.add(f"extract of {count} modules, processor time", seconds, "s")
    _nearest(bench, sizes, (10_000, 100_000, 1_000_000, 10_000_000), "bytes")
    _nearest(bench, bench.modules(_symbols), (10, 100, 1000, 10_000), "symbols")
    threads = (1, 2, 4)
    times = process.medians(bench.runs, [lambda n=n: bench.extracting(f"--threads={n}")().seconds for n in threads])
    for number, seconds in zip(threads[1:], times[1:]):
        bench.figures.add(f"extract of all with {number} threads, against one", seconds / times[0], "x")


def scan(bench: Bench) -> None:
    """No trampoline, no hints: the whole image is searched; against only reading it."""
    blind = bench.copy("blind.raw")
    with blind.open("r+b") as file:
        file.write(bytes(1 << 20))

    def read_all() -> float:
        return process.once(["dd", f"if={blind}", "of=/dev/null", f"bs={_BLOCK}", "status=none"]).seconds

    ls, whole, hinted = process.medians(bench.runs, [bench.seconds("ls", blind), read_all, bench.seconds("ls", bench.image)])
    bench.figures.add("full scan (ls less ls with hints) / reading all", max(0.0, ls - hinted) / whole, "x", 1.5)
    blind.unlink()


def first_byte(bench: Bench) -> None:
    """Mount, list, and read the first byte of the largest module of at most 2 MiB."""
    point = bench.work / "mnt"
    with mounts.lkmfs(bench.binary, bench.image, point):
        sizes = {path.name: path.stat().st_size for path in (point / "modules").iterdir()}
    name = max((name for name in sizes if sizes[name] <= 2 << 20), key=lambda name: sizes[name])

    def action() -> float:
        start = time.perf_counter()
        with mounts.lkmfs(bench.binary, bench.image, point):
            list((point / "modules").iterdir())
            with (point / "modules" / name).open("rb", buffering=0) as file:
                file.read(1)
            return time.perf_counter() - start

    (seconds,) = process.medians(bench.runs, [action])
    bench.figures.add("mount, ls, first byte of a module", seconds, "s", 0.15, f"{name}, {sizes[name] >> 10} KiB")


def copying(bench: Bench) -> None:
    """cp -r of /modules a second time, against the same files on libfuse's passthrough_ll."""
    point, plain, through = bench.work / "mnt", bench.work / "plain", bench.work / "through"

    def copy(source: Path) -> Callable[[], float]:
        def action() -> float:
            target = bench.work / "copied"
            seconds = process.once(["cp", "-r", source, target]).seconds
            shutil.rmtree(target)
            return seconds
        return action

    with mounts.lkmfs(bench.binary, bench.image, point):
        shutil.copytree(point / "modules", plain)
        with mounts.passthrough(plain, through, bench.work) as there:
            if not there:
                bench.figures.add("cp -r, second time / passthrough", float("nan"), "x", None,
                                  "skipped: libfuse3-dev's passthrough_ll.c does not build here")
                return
            ours, theirs = process.medians(bench.runs, [copy(point / "modules"), copy(through)])
    bench.figures.add("cp -r, second time / passthrough", ours / theirs, "x", 1.5)


def hits(bench: Bench) -> None:
    """Share of opened files that the cache had: all modules copied twice, in a cache that holds them and in one that does not."""
    point = bench.work / "mnt"
    for cache in (256, 16):
        use: list[int] = []
        with mounts.counted(bench.binary, bench.image, point, f"cache={cache}", use):
            for _ in range(2):
                shutil.copytree(point / "modules", bench.work / "copied")
                shutil.rmtree(bench.work / "copied")
                Path("/proc/sys/vm/drop_caches").write_text("3\n")
        opened, built = use
        bench.figures.add(f"found in a cache of {cache} MiB, all copied twice", (opened - built) / opened, "x", None,
                          f"{opened} opened, {built} built")


CASES: dict[str, Callable[[Bench], None]] = {
    "growth": growth, "memory": memory, "extract": extract, "series": series, "scan": scan, "first-byte": first_byte, "copying": copying, "hits": hits}
