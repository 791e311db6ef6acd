"""Mounting, and making sure that nothing stays mounted."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from .environment import Environment, Image, each
from .process import ENVIRONMENT, Result, run
from .runner import Failure, Skip

DEADLINE = 60   # seconds


def require_fuse() -> None:
    """Raises Skip where this user can't mount; in CI that is a failure, as mounting is what lkmfs is for."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        reason = f"/dev/fuse: {error.strerror}"
        if os.environ.get("CI") == "true":
            raise Failure(f"{reason}; CI must be able to mount") from error
        raise Skip(reason) from error


def require_root() -> None:
    """Raises Skip without root."""
    if os.geteuid() != 0:
        raise Skip("needs root")


def mounts_of(folder: Path) -> list[str]:
    """Sources of what is mounted on `folder`, one a mount."""
    wanted = str(folder).replace(" ", "\\040")
    with open("/proc/self/mounts", encoding="utf-8") as lines:
        return [line.split(" ")[0] for line in lines if line.split(" ")[1] == wanted]


def wait_for_mounts(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> bool:
    """Waits until `condition` holds, looking whenever the kernel says that mounts changed or `process` ended."""
    end = time.monotonic() + DEADLINE
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        poll = select.poll()
        poll.register(mounts, select.POLLPRI)
        while not condition():
            if time.monotonic() > end or (process and process.poll() is not None):
                return condition()
            poll.poll(200)      # for the end of `process`
    return True


def unmount(folder: Path) -> Result:
    """umount(8), or what users have."""
    return run(["umount", folder] if os.geteuid() == 0 else ["fusermount3", "-u", folder], timeout=DEADLINE)


def unmount_all(folder: Path) -> None:
    """Whatever is mounted on `folder`, away with it."""
    while before := len(mounts_of(folder)):
        if unmount(folder).code:
            run(["umount", "-l", folder] if os.geteuid() == 0 else ["fusermount3", "-uz", folder], timeout=DEADLINE)
        if len(mounts_of(folder)) >= before:
            raise Failure(f"can't unmount {folder}")


def processes_of(folder: Path) -> list[int]:
    """Processes of a mount on `folder`: their command line names it, which is a new folder of this run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(folder) in words:
                found.append(int(entry.name))
    return found


def parent_of(process: int) -> int:
    """The process that started it."""
    return int((Path("/proc") / str(process) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def daemons_of(folder: Path) -> list[int]:
    """Guards of mounts on `folder`: the processes that mount and unmount."""
    processes = processes_of(folder)
    return [process for process in processes if parent_of(process) not in processes]


def servers_of(folder: Path) -> list[int]:
    """The processes that read the image and answer the kernel, each started by its guard."""
    processes = processes_of(folder)
    return [process for process in processes if parent_of(process) in processes]


class Mounted:
    """A mount by `lkmfs mount -f`, whose exit code and messages are checked at the end (so that sanitizers speak)."""

    def __init__(self, environment: Environment, image: Path | str, options: str = "") -> None:
        require_fuse()
        self.folder = environment.folder("mount")
        self.command = [environment.lkmfs, "mount", image, self.folder, "-f", *(["-o", options] if options else [])]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Path:
        """The folder, once something is mounted there."""
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=ENVIRONMENT)
        if not wait_for_mounts(lambda: bool(mounts_of(self.folder)), self.process):
            self._stop()
            raise Failure(f"not mounted: {self._said()}")
        return self.folder

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stop()
        said = self._said()
        if kind is None and said != "exit code 0":
            raise Failure(f"mounted and unmounted, but {said}")

    def _stop(self) -> None:
        """Unmounts, and ends the process if that didn't."""
        assert self.process
        unmount_all(self.folder)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _said(self) -> str:
        assert self.process and self.process.stdout and self.process.stderr
        words = (self.process.stdout.read() + self.process.stderr.read()).decode(errors="replace").strip()
        self.process.stdout.close()
        self.process.stderr.close()
        return f"exit code {self.process.returncode}{': ' if words else ''}{words}"


_infos: dict[Path, dict[str, dict[str, Any]]] = {}


def tree_infos(environment: Environment, image: Image) -> dict[str, dict[str, Any]]:
    """All of /info by module, read once: from a mount, or one by one where there is no FUSE."""
    if image.raw not in _infos:
        try:
            with Mounted(environment, image.raw) as folder:
                texts = {path.stem: path.read_bytes() for path in (folder / "info").iterdir()}
        except Skip:
            names = [path.stem for path in environment.rebuilt(image)]
            texts = dict(zip(names, each(lambda name: environment.output("cat", image.raw, f"info/{name}.json"), names)))
        _infos[image.raw] = {name: json.loads(text) for name, text in texts.items()}
    return _infos[image.raw]
