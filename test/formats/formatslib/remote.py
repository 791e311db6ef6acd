"""The raw image behind NBD servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from formatslib import avml
from formatslib.check import Case, Checker, Failure, Skip
from formatslib.memory import Memory

SIZE = 5 << 30
DELAY = "20ms"      # of each request
SECONDS_MAX = 5
READ_MAX = 64 << 20


@contextmanager
def server(folder: Path, *command: str) -> Iterator[str]:
    """URI of what a server exports that is told to listen on FOLDER/socket."""
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    socket = folder / "socket"
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                if socket.exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            yield f"nbd+unix:///?socket={socket}"
        finally:
            process.kill()
    socket.unlink(missing_ok=True)


def nbdkit(folder: Path, *words: str) -> tuple[str, ...]:
    """A command line of nbdkit."""
    return ("nbdkit", "-f", "-U", f"{folder}/socket", *words)


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    """Port of an HTTP server that gives out parts of the files in FOLDER."""
    class Handler(SimpleHTTPRequestHandler):
        """Knows ranges, as S3 does."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802: http.server calls it so
            """Sends what is asked for."""
            first, last = (int(part) for part in self.headers["Range"].removeprefix("bytes=").split("-"))
            with (folder / self.path.strip("/")).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(first)
                data = file.read(last + 1 - first)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_HEAD(self) -> None:  # noqa: N802
            """Tells the size."""
            self.send_response(200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str((folder / self.path.strip("/")).stat().st_size))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield http.server_address[1]
        finally:
            http.shutdown()


def one_line(checker: Checker, uri: str, words: str) -> None:
    """Checks that URI fails with one line that has WORDS."""
    result = checker.run("ls", uri)
    lines = result.stderr.decode(errors="replace").splitlines()
    if result.returncode not in (2, 32) or len(lines) != 1 or words not in lines[0]:
        raise Failure(f"exit code {result.returncode}, {lines[:3]}")


def cases(memory: Memory) -> list[Case]:
    """Servers of the formats that lkmfs leaves to them, near and far, and of none."""
    raw = str(memory.path.resolve())

    def plain(checker: Checker, folder: Path) -> None:
        with server(folder, *nbdkit(folder, "file", raw)) as uri:
            checker.same(uri, "raw")

    def far(checker: Checker, folder: Path) -> None:
        grown = folder / "grown"
        subprocess.run(["cp", "--sparse=always", raw, grown], check=True)
        os.truncate(grown, SIZE)
        with server(folder, *nbdkit(folder, "--filter=delay", "file", str(grown), f"rdelay={DELAY}")) as uri:
            began = time.monotonic()
            listed = checker.output("ls", uri)
            seconds = time.monotonic() - began
            read = json.loads(checker.output("info", "--json", uri))["image"]["bytes_read"]
        if listed != checker.output("ls", checker.raw):
            raise Failure("another list of modules")
        if seconds > SECONDS_MAX or read > READ_MAX:
            raise Failure(f"ls took {seconds:.1f} s and read {read / (1 << 20):.1f} MiB")

    def compressed(checker: Checker, folder: Path) -> None:
        with (folder / "image.xz").open("wb") as file:
            subprocess.run(["xz", "-0", "-T2", "--block-size=1MiB", "-c", raw], stdout=file, check=True)
        with server(folder, *nbdkit(folder, "--filter=xz", "file", str(folder / "image.xz"))) as uri:
            checker.same(uri, "raw")

    def web(checker: Checker, folder: Path) -> None:
        with web_server(memory.path.parent.resolve()) as port:
            with server(folder, *nbdkit(folder, "curl", f"url=http://127.0.0.1:{port}/{memory.path.name}")) as uri:
                checker.same(uri, "raw")

    def qcow2(checker: Checker, folder: Path) -> None:
        image = str(folder / "image.qcow2")
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
        with server(folder, "qemu-nbd", "--read-only", "--persistent", "--shared=8", "-f", "qcow2", "-k",
                    f"{folder}/socket", image) as uri:
            checker.same(uri, "raw")

    def records(checker: Checker, folder: Path) -> None:
        avml.write_lime(memory, folder / "image.lime", 1 << 20)
        with server(folder, *nbdkit(folder, "file", str(folder / "image.lime"))) as uri:
            checker.same(uri, "LiME")

    def nobody(checker: Checker, folder: Path) -> None:
        one_line(checker, f"nbd+unix:///?socket={folder}/none", "no answer")

    def errors(checker: Checker, folder: Path) -> None:
        with server(folder, *nbdkit(folder, "--filter=error", "file", raw, "error-pread-rate=100%")) as uri:
            one_line(checker, uri, "failed: Input/output error")

    def empty(checker: Checker, folder: Path) -> None:
        with server(folder, *nbdkit(folder, "null", "size=0")) as uri:
            one_line(checker, uri, "is empty")
    return [("nbd-file", plain), ("nbd-far", far), ("nbd-xz", compressed), ("nbd-http", web), ("nbd-qcow2", qcow2),
            ("nbd-lime", records), ("nbd-nobody", nobody), ("nbd-errors", errors), ("nbd-empty", empty)]
