"""Builds one image: packages, guest, dump, truth, checks; and knows when an old one will do."""

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

from . import dump, guest, truth
from .archive import ArchiveError, Suite
from .kernelfiles import KernelFiles, module_name
from .kernels import Kernel
from .qemu import Machine
from .tools import workspace

_HERE = Path(__file__).parent
_GUEST = _HERE.parent / "guest"
_DISK = 256 << 20                       # room for the truth; a sparse file
_FREE = ("kernels.py", "modulelists.py")  # hashed only as far as an image's own line goes


class Progress:
    """One line a step, with the seconds it took."""

    def __init__(self, name: str) -> None:
        self._name, self._start, self._last = name, time.monotonic(), time.monotonic()

    def __call__(self, message: str) -> None:
        """Report a finished step."""
        now = time.monotonic()
        print(f"{self._name}: {now - self._start:6.1f} s (+{now - self._last:.1f}) {message}", flush=True)
        self._last = now


def _generator(kernel: Kernel) -> str:
    """A hash of all that decides how an image is made, but for the kernel's packages."""
    state = hashlib.sha256(repr(replace(kernel, seconds=0)).encode())
    for path in sorted([*_HERE.glob("*.py"), *_GUEST.iterdir()]):
        if path.is_file() and path.name not in _FREE:
            state.update(path.name.encode() + b"\0" + path.read_bytes())
    return state.hexdigest()


def _stamp(kernel: Kernel, packages: dict[str, str]) -> str:
    lines = [f"{name} {version}" for name, version in packages.items()]
    return "\n".join([*lines, f"generator {_generator(kernel)}", ""])


def _install(made: Path, place: Path, aside: Path) -> None:
    """Put a finished folder in place of an older one, if any."""
    made.chmod(0o755)
    if place.exists():
        place.rename(aside)
    made.rename(place)


def _dump(machine: Machine, kernel: Kernel, made: Path) -> None:
    dump.raw(machine, made / "image.raw")
    if "elf" in kernel.formats:
        dump.elf(machine, made / "image.elf")
    dump.registers(machine, made / "truth" / "registers")


def _keep_originals(tree: Path, made: Path) -> None:
    loaded = set(truth.modules(made / "truth"))
    (made / "originals").mkdir()
    for path in tree.rglob("*.ko"):
        if module_name(path) in loaded:
            shutil.copyfile(path, made / "originals" / path.name)


def _make(kernel: Kernel, suite: Suite, packages: dict[str, str], work: Path, say: Progress) -> Path:
    """All steps, in a folder of their own; the finished image's folder."""
    made, tree = work / "made", work / "tree"
    (made / "truth").mkdir(parents=True)
    suite.unpack(packages, work / "unpacked")
    files = KernelFiles(work / "unpacked")
    shutil.copyfile(files.vmlinuz, made / "vmlinuz")
    shutil.copyfile(files.config, made / "config")
    say(f"kernel {files.release} downloaded and unpacked")

    names = files.subtree(kernel.modules, tree)
    (tree / "modules").write_text("".join(f"{name}\n" for name in names))
    say(f"{len(names)} modules to try")

    disk = work / "disk"
    with disk.open("wb") as file:
        file.truncate(_DISK)
    status, output = guest.boot(kernel, made / "vmlinuz", (_GUEST / "collect").read_bytes(), work,
                                trees={"": tree}, disk=disk, then=lambda machine: _dump(machine, kernel, made))
    if status:
        raise truth.TruthError(f"the guest could not collect its truth: {output.decode(errors='replace')}")
    say("booted, loaded, dumped")

    truth.unpack(disk, made / "truth")
    _keep_originals(tree, made)
    if "lime" in kernel.formats:
        dump.lime(made / "image.raw", (made / "truth" / "iomem").read_text(), made / "image.lime")
    count = truth.check(made / "truth", made / "originals")
    truth.check_image(made / "image.raw", made / "truth")
    say(f"{count} modules, truth complete")
    return made


def build(kernel: Kernel, out: Path) -> None:
    """Make DIR/<name>, unless the one there is up to date."""
    say = Progress(kernel.name)
    place = out / kernel.name
    stamp = place / "stamp"
    old = stamp.read_text() if stamp.exists() else ""
    suite = Suite(out / ".apt", kernel.suite, kernel.arch)
    try:
        suite.refresh()
        packages = suite.resolve(kernel.package)
    except ArchiveError as problem:
        if f"generator {_generator(kernel)}\n" not in old:
            raise
        say(f"kept, for the archive can't be asked: {str(problem).splitlines()[0]}")
        return
    wanted = _stamp(kernel, packages)
    if old == wanted:
        say("up to date")
        return
    say(f"wants {', '.join(packages)}")
    with workspace(kernel.name, out) as work:
        made = _make(kernel, suite, packages, work, say)
        (made / "stamp").write_text(wanted)
        _install(made, place, work / "old")
    say(f"made {place}")
