"""An unpacked kernel: its files, and the part of its module tree that a guest needs."""

import gzip
import lzma
import re
import shutil
from pathlib import Path

from . import ImageError
from .tools import run

_SUFFIX = re.compile(r"\.ko(\.\w+)?$")


def module_name(path: str | Path) -> str:
    """The name the kernel gives the module in this file."""
    return _SUFFIX.sub("", Path(path).name).replace("-", "_")


def _plain(path: Path) -> bytes:
    """The bytes of a module file, uncompressed."""
    match path.suffix:
        case ".xz":
            return lzma.decompress(path.read_bytes())
        case ".gz":
            return gzip.decompress(path.read_bytes())
        case ".zst":
            return run(["zstd", "-dcq", path])
    return path.read_bytes()


class KernelFiles:
    """Where an unpacked kernel package keeps things, whatever its layout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        folders = list(root.glob("lib/modules/*")) + list(root.glob("usr/lib/modules/*"))
        if not folders:
            raise ImageError(f"no modules in {root}")
        self.modules = folders[0]
        self.release = self.modules.name
        self.vmlinuz = self._first(root / "boot" / f"vmlinuz-{self.release}", self.modules / "vmlinuz")
        self.config = self._first(root / "boot" / f"config-{self.release}", self.modules / "config")

    @staticmethod
    def _first(*paths: Path) -> Path:
        for path in paths:
            if path.exists():
                return path
        raise ImageError(f"there is none of {', '.join(map(str, paths))}")

    def _depmod(self, base: Path) -> None:
        run(["depmod", "-b", base, self.release])

    def _dependencies(self) -> dict[str, list[str]]:
        """Module file -> the module files it needs, soft dependencies included."""
        if not (self.root / "lib").exists():        # depmod only looks in BASE/lib/modules
            (self.root / "lib").symlink_to("usr/lib")
        self._depmod(self.root)
        needs: dict[str, list[str]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
        files = {module_name(path): path for path in needs}
        for line in (self.modules / "modules.softdep").read_text().splitlines():
            words = line.split()
            if words and words[0] == "softdep" and words[1].replace("-", "_") in files:
                soft = [files[w.replace("-", "_")] for w in words[2:] if w.replace("-", "_") in files]
                needs[files[words[1].replace("-", "_")]] += soft
        return needs

    def subtree(self, wanted: tuple[str, ...], into: Path) -> list[str]:
        """Make INTO/lib/modules with these modules and all they need, uncompressed; the names to load."""
        needs = self._dependencies()
        files = {module_name(path): path for path in needs}
        names = [name for name in dict.fromkeys(w.replace("-", "_") for w in wanted) if name in files]
        todo, done = [files[name] for name in names], set()
        while todo:
            path = todo.pop()
            if path not in done:
                done.add(path)
                todo += needs[path]
        target = into / "lib/modules" / self.release
        for path in sorted(done):
            copy = target / _SUFFIX.sub(".ko", path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(_plain(self.modules / path))
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            if (self.modules / name).exists():
                shutil.copy(self.modules / name, target)
        self._depmod(into)
        return names
