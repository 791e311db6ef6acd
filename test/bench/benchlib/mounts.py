"""Mounts that are always taken down again."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EXAMPLE = Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")


@contextmanager
def _mounted(point: Path) -> Iterator[None]:
    try:
        yield
    finally:
        subprocess.run(["umount", point], check=True)


@contextmanager
def lkmfs(binary: Path, image: Path, point: Path) -> Iterator[None]:
    """The image, mounted."""
    point.mkdir(exist_ok=True)
    subprocess.run([binary, "mount", image, point], check=True)
    with _mounted(point):
        yield


@contextmanager
def counted(binary: Path, image: Path, point: Path, options: str, use: list[int]) -> Iterator[None]:
    """The image, mounted with `options`; once unmounted, `use` has how often files were opened, and how often built."""
    point.mkdir(exist_ok=True)
    command = [binary, "mount", "-f", "-v", "-o", options, image, point]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        while not os.path.ismount(point) and server.poll() is None:
            time.sleep(0.01)
        with _mounted(point):
            yield
        said = re.search(r"opened (\d+) times, built (\d+) times", server.stderr.read())
        use += [int(number) for number in said.groups()] if said else []


def peak_memory(point: Path) -> float:
    """Peak resident MiB of the lkmfs that serves a mount: the larger of the server and its guard."""
    peaks = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(point).encode() in (process / "cmdline").read_bytes().split(b"\0"):
                lines = (process / "status").read_text().splitlines()
                peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
        except OSError:
            continue    # gone, or not ours
    return max(peaks, default=float("nan"))


@contextmanager
def passthrough(source: Path, point: Path, work: Path) -> Iterator[bool]:
    """The folder `source` through libfuse's own example, cached for ever like ours; False where it can't be built."""
    program = work / "passthrough_ll"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True).stdout.split()
    built = _EXAMPLE.exists() and subprocess.run(["cc", "-O2", _EXAMPLE, "-o", program, *flags],
                                                 capture_output=True).returncode == 0
    if not built:
        yield False
        return
    point.mkdir(exist_ok=True)
    subprocess.run([program, "-o", f"source={source},cache=always,timeout=86400", point], check=True)
    with _mounted(point):
        yield True
