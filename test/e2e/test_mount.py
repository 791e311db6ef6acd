"""The mounted tree behaves as a read-only file system should, for everything that reads it."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import random
import shutil
import stat
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from e2elib.environment import Environment, Image, each
from e2elib.mount import Mounted
from e2elib.process import run
from e2elib.runner import Problems

TOP = ["hidden", "info", "kernel", "loaded", "log.txt", "modules", "modules.json", "modules.txt", "report.html"]
READERS = 8


def files(folder: Path) -> Iterator[Path]:
    """All regular files below a folder, by name."""
    for path, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(path, name) for name in sorted(names) if not Path(path, name).is_symlink())


def digest(path: Path) -> str:
    """A hash of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_tree(env: Environment, image: Image) -> None:
    """The folders have what they should, with modes, times, and inodes that stay; files are those of extract."""
    problems, modules = Problems(), sorted(image.truth.modules)
    with Mounted(env, image.raw) as folder:
        problems.equal("/", sorted(os.listdir(folder)), TOP)
        for name, suffix in (("modules", ".ko"), ("loaded", ".elf"), ("info", ".json")):
            problems.equal(f"/{name}", sorted(os.listdir(folder / name)), [module + suffix for module in modules])
        problems.equal("/hidden", os.listdir(folder / "hidden"), [])
        inodes: Counter[int] = Counter()
        for path in files(folder):
            one, two = path.stat(), path.stat()
            inodes[one.st_ino] += 1
            problems.equal(f"{path} mode", stat.S_IMODE(one.st_mode), 0o444)
            problems.equal(f"{path} mtime", int(one.st_mtime), int(image.raw.stat().st_mtime))
            problems.equal(f"{path} stat again", (two.st_ino, two.st_size), (one.st_ino, one.st_size))
        problems.equal("mode of /", stat.S_IMODE(folder.stat().st_mode), 0o555)
        problems.check(max(inodes.values()) == 1, "two files share an inode")
        for path in env.rebuilt(image) + env.loaded(image):
            mounted = folder / ("modules" if path.suffix == ".ko" else "loaded") / path.name
            problems.check(mounted.read_bytes() == path.read_bytes(), f"{mounted} is not what extract writes")
    problems.finish()


def test_cat_is_the_same(env: Environment, image: Image) -> None:
    """`lkmfs cat` prints what the mounted file has."""
    problems, some = Problems(), sorted(image.truth.modules)[::150]
    paths = [f"{kind}.{suffix}" for name in some
             for kind, suffix in ((f"modules/{name}", "ko"), (f"loaded/{name}", "elf"), (f"info/{name}", "json"))]
    with Mounted(env, image.raw) as folder:
        for name in (*paths, "modules.json", "modules.txt", "report.html", "log.txt", "kernel/version", "kernel/kallsyms",
                     "kernel/vmcoreinfo", "kernel/btf"):
            if (folder / name).exists() or name != "kernel/vmcoreinfo":
                problems.check((folder / name).read_bytes() == env.output("cat", image.raw, name), f"{name} differs")
    problems.finish()


def test_sizes(env: Environment, image: Image) -> None:
    """st_size, before anything was read, is what reading gives; find -size agrees."""
    problems = Problems()
    with Mounted(env, image.raw) as folder:
        sizes = {path: path.stat().st_size for path in files(folder)}
        large = run(["find", folder, "-type", "f", "-size", "+99999c"]).out.decode().split("\n")[:-1]
        problems.equal("find -size", sorted(large), sorted(str(path) for path, size in sizes.items() if size > 99999))
        for path, size in sizes.items():
            problems.equal(f"{path} size", len(path.read_bytes()), size)
            problems.check(size > 0 or path.name == "log.txt", f"{path} is empty")
    problems.finish()


def test_copies(env: Environment, image: Image) -> None:
    """cp -a, tar and a plain read agree."""
    problems, work = Problems(), env.folder("copies")
    with Mounted(env, image.raw) as folder:
        wanted = {str(path.relative_to(folder)): digest(path) for path in files(folder)}
        copied = run(["cp", "-a", folder, work / "copy"])
        problems.check(copied.code == 0 and not copied.err, f"cp -a: {copied.err}")
        packed = run(["tar", "-C", folder, "-cf", work / "tree.tar", "."])
        problems.check(packed.code == 0 and not packed.err, f"tar: {packed.err}")
    got = {str(path.relative_to(work / "copy")): digest(path) for path in files(work / "copy")}
    problems.equal("copied files", sorted(got), sorted(wanted))
    problems.equal("files that cp -a copied wrong", [name for name in wanted if got.get(name) != wanted[name]], [])
    with tarfile.open(work / "tree.tar") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content:
                name = member.name.removeprefix("./")
                problems.equal(f"tar {name}", hashlib.sha256(content.read()).hexdigest(), wanted.get(name))
    shutil.rmtree(work)
    problems.finish()


def test_grep(env: Environment, image: Image) -> None:
    """grep -r finds what every module has, in all of them."""
    problems = Problems()
    with Mounted(env, image.raw) as folder:
        result = run(["grep", "-rlF", f"vermagic={image.truth.release} ", folder / "modules"])
        found = sorted(Path(line).stem for line in result.out.decode().splitlines())
        problems.equal("grep -r", found, sorted(image.truth.modules))
        problems.equal("grep said", result.err, "")
        missing = run(["grep", "-r", "nothing has this in it, whatever it is", folder])
        problems.equal("grep -r for nothing", (missing.code, missing.out), (1, b""))
    problems.finish()


def test_many_readers(env: Environment, image: Image) -> None:
    """md5sum by 8 readers at once, each of every file in an order of its own, on a cold and small cache."""
    problems = Problems()
    wanted = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in env.rebuilt(image) + env.loaded(image)}
    with Mounted(env, image.raw, "cache=1") as folder:
        paths = [path for kind in ("modules", "loaded") for path in sorted((folder / kind).iterdir())]

        def read(seed: int) -> dict[str, str]:
            mine = random.Random(seed).sample(paths, min(len(paths), 200))
            lines = run(["md5sum", *mine]).out.decode().splitlines()
            return {line[34:].rpartition("/")[2]: line[:32] for line in lines} if len(lines) == len(mine) else {}

        with_threads = run_at_once(read, READERS)
    for seed, got in enumerate(with_threads):
        problems.check(got, f"reader {seed} could not read everything")
        for name, value in got.items():
            problems.equal(f"reader {seed} {name}", value, wanted[name])
    problems.finish()


def run_at_once(function: Callable[[int], dict[str, str]], count: int) -> list[dict[str, str]]:
    """Calls a function with 0, 1, ... all at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, range(count)))


def test_random_reads(env: Environment, image: Image) -> None:
    """pread at random offsets, and both kinds of mmap, against a whole read; past the end there is nothing."""
    problems, chance = Problems(), random.Random(7)
    with Mounted(env, image.raw) as folder:
        for path in sorted((folder / "modules").iterdir())[::20] + [folder / "kernel/kallsyms", folder / "modules.json"]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                size = os.fstat(descriptor).st_size
                spots = [(chance.randrange(size + 1), chance.randrange(1, 70000)) for _ in range(40)]
                parts = [os.pread(descriptor, length, at) for at, length in spots]
                problems.equal(f"{path} past its end", os.pread(descriptor, 100, size + 5), b"")
                whole = path.read_bytes()
                for (at, length), part in zip(spots, parts):
                    problems.check(part == whole[at:at + length], f"{path}: pread of {length} at {at}")
                for kind in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
                    with mmap.mmap(descriptor, size, flags=kind, prot=mmap.PROT_READ) as mapped:
                        problems.check(mapped[:] == whole, f"{path}: mmap {kind}")
            finally:
                os.close(descriptor)
    problems.finish()


def test_missing_names(env: Environment) -> None:
    """A missing name is missing the second time as well, and after its neighbours were read."""
    problems = Problems()
    with Mounted(env, env.sample.raw) as folder:
        for name in ("nothing", "modules/nothing.ko", "modules/..ko", "info/nothing.json", "modules.txt/x", "x" * 255,
                     "modules/" + "y" * 300):
            for attempt in (1, 2):
                try:
                    os.stat(folder / name)
                    problems.check(False, f"{name} is there")
                except OSError as error:
                    expected = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
                    problems.check(error.errno in expected, f"{name}, attempt {attempt}: {error}")
    problems.finish()


def test_read_only(env: Environment) -> None:
    """Whatever would change something gets EROFS, also as root."""
    problems = Problems()
    with Mounted(env, env.sample.raw) as folder:
        path = folder / "modules.txt"
        before = path.read_bytes()
        attempts: dict[str, Callable[[], object]] = {
            "write": lambda: os.open(path, os.O_WRONLY), "read and write": lambda: os.open(path, os.O_RDWR),
            "append": lambda: os.open(path, os.O_WRONLY | os.O_APPEND), "create": lambda: os.open(folder / "new", os.O_CREAT),
            "truncate": lambda: os.truncate(path, 0), "unlink": lambda: os.unlink(path),
            "rename": lambda: os.rename(path, folder / "new"), "mkdir": lambda: os.mkdir(folder / "new"),
            "rmdir": lambda: os.rmdir(folder / "modules"), "chmod": lambda: os.chmod(path, 0o777),
            "symlink": lambda: os.symlink("x", folder / "new"), "utime": lambda: os.utime(path),
            "link": lambda: os.link(path, folder / "new"), "setxattr": lambda: os.setxattr(path, "user.x", b"x"),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
                problems.check(False, f"{name} succeeded")
            except OSError as error:
                problems.check(error.errno == errno.EROFS, f"{name}: {error}")
        problems.equal("modules.txt", path.read_bytes(), before)
        problems.equal("/", sorted(os.listdir(folder)), TOP)
    problems.finish()


def test_image_untouched(env: Environment) -> None:
    """Nothing is written to the image or beside it."""
    problems, folder = Problems(), env.folder("beside")
    image = folder / "image.raw"
    os.symlink(env.sample.raw, image)
    before = env.sample.raw.stat()
    with Mounted(env, image) as mounted:
        each(lambda path: path.read_bytes(), list(files(mounted / "kernel")))
    problems.equal("files beside the image", os.listdir(folder), ["image.raw"])
    after = env.sample.raw.stat()
    problems.equal("the image", (after.st_size, after.st_mtime_ns), (before.st_size, before.st_mtime_ns))
    problems.finish()
