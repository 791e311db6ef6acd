"""Running the machine's own tools, and folders to work in."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import ImageError

NEEDED = ("apt-get", "apt-cache", "busybox", "depmod", "dpkg-deb", "qemu-system-x86_64", "setpriv", "zstd")


def require() -> None:
    """Complain at once about tools that would be missed later."""
    if missing := [tool for tool in NEEDED if not shutil.which(tool)]:
        raise ImageError(f"missing: {', '.join(missing)}; install the packages that test/images/packages names")


def run(command: Sequence[str | Path], cwd: Path | None = None) -> bytes:
    """Run a command and return its output; a failure is an ImageError with what it said."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
        raise ImageError(f"{' '.join(map(str, command[:2]))} failed: {said}")
    return done.stdout


@contextmanager
def workspace(name: str, under: Path | None = None) -> Iterator[Path]:
    """A new folder that is gone afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=under))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
