"""Boots a kernel with some files, runs a script in it, and hands back what the script wrote."""

import time
from collections.abc import Callable
from pathlib import Path

from . import ImageError, dump
from .initramfs import Initramfs
from .kernels import KERNELS, Kernel
from .qemu import GuestError, Machine
from .tools import workspace

_GUEST = Path(__file__).parent.parent / "guest"
_BUSYBOX = Path("/bin/busybox")
_QUIET = 1.0                            # seconds for the guest to come to rest


def _busybox() -> bytes:
    program = _BUSYBOX.read_bytes()
    if b"/ld-linux" in program:
        raise ImageError(f"{_BUSYBOX} is not static; install busybox-static")
    return program


def _initramfs(path: Path, script: bytes, trees: dict[str, Path]) -> None:
    with Initramfs(path) as archive:
        for name in ("proc", "sys", "dev", "tmp", "run", "mnt", "root"):
            archive.folder(name)
        archive.file("bin/busybox", _busybox(), 0o755)
        archive.link("bin/sh", "busybox")
        archive.link("sbin/modprobe", "../bin/busybox")
        archive.file("init", (_GUEST / "init").read_bytes(), 0o755)
        archive.file("script", script, 0o755)
        for under, source in trees.items():
            archive.tree(source, under)


def boot(kernel: Kernel, vmlinuz: Path, script: bytes, work: Path, *, trees: dict[str, Path] | None = None,
         disk: Path | None = None, then: Callable[[Machine], None] | None = None) -> tuple[int, bytes]:
    """Boot any kernel in a work folder; the script's exit status and output.

    `trees` puts folders of this machine into the guest ({"": root, "files": folder}), `disk` is its /dev/vda, and
    `then` is called with the stopped machine when the script is over and all is quiet, say to dump its memory.
    """
    initrd = work / "initrd"
    _initramfs(initrd, script, trees or {})
    with Machine(kernel, work, vmlinuz, initrd, disk) as machine:
        try:
            status = int(machine.wait_for("guest: script ended ", kernel.seconds))
        except GuestError as problem:
            problem.output = machine.output.read_bytes()
            raise
        if then:
            time.sleep(_QUIET)
            machine.qmp("stop")
            then(machine)
        return status, machine.output.read_bytes()


def run(images: Path, name: str, script: bytes, files: Path | None = None,
        image: Path | None = None) -> tuple[int, bytes]:
    """Run a script, with some files in /files, on the kernel of a made image; the script's exit status and output.

    Nothing is loaded in the guest but what the script loads. `image` gets its memory afterwards, raw.
    """
    with workspace(f"run-{name}") as work:
        return boot(KERNELS[name], images / name / "vmlinuz", script, work,
                    trees={"files": files} if files else {},
                    then=(lambda machine: dump.raw(machine, image.resolve())) if image else None)
