"""The raw image behind NBD servers."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from formatslib.check import Case, Checker, Failure, Skip
from formatslib.memory import Memory


def serve(checker: Checker, folder: Path, command: list[str], brief: bool = False) -> None:
    """Compares what a server that is told to listen on FOLDER/socket exports; only the list of modules when BRIEF."""
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    socket = folder / "socket"
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                if socket.exists() or server.poll() is not None:
                    break
                time.sleep(0.1)
            uri = f"nbd+unix:///?socket={socket}"
            result = checker.run("ls", uri)
            if b"built without libnbd" in result.stderr:
                raise Skip("lkmfs was built without libnbd")
            if not brief:
                checker.same(uri, "raw")
            elif result.stdout != checker.output("ls", checker.raw):
                raise Failure(f"another list of modules: {result.stderr.decode()[:200]}")
        finally:
            server.kill()


def cases(memory: Memory) -> list[Case]:
    """Servers of the formats that lkmfs leaves to them."""
    raw = str(memory.path.resolve())

    def plain(checker: Checker, folder: Path) -> None:
        serve(checker, folder, ["nbdkit", "-f", "-U", f"{folder}/socket", "file", raw])

    def slow(checker: Checker, folder: Path) -> None:
        stats = folder / "stats"
        command = ["nbdkit", "-f", "-U", f"{folder}/socket", "--filter=stats", "--filter=delay", "file", raw,
                   "rdelay=5ms", f"statsfile={stats}"]
        serve(checker, folder, command)

    def compressed(checker: Checker, folder: Path) -> None:
        if not shutil.which("xz"):
            raise Skip("xz is not installed")
        with (folder / "image.xz").open("wb") as file:
            subprocess.run(["xz", "-0", "-T2", "--block-size=1MiB", "-c", raw], stdout=file, check=True)
        command = ["nbdkit", "-f", "-U", f"{folder}/socket", "--filter=xz", "file", str(folder / "image.xz")]
        serve(checker, folder, command, brief=True)

    def qcow2(checker: Checker, folder: Path) -> None:
        if not shutil.which("qemu-img"):
            raise Skip("qemu-img is not installed")
        image = str(folder / "image.qcow2")
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
        command = ["qemu-nbd", "--read-only", "--persistent", "--shared=8", "-f", "qcow2", "-k", f"{folder}/socket", image]
        serve(checker, folder, command)

    def nobody(checker: Checker, folder: Path) -> None:
        result = checker.run("ls", f"nbd+unix:///?socket={folder}/none")
        lines = result.stderr.decode().splitlines()
        if result.returncode not in (2, 32) or len(lines) != 1:
            raise Failure(f"exit code {result.returncode}, {lines}")
    return [("nbd-file", plain), ("nbd-slow", slow), ("nbd-xz", compressed), ("nbd-qcow2", qcow2), ("nbd-nobody", nobody)]
