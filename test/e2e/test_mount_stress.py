"""The mount when the host fails under it, and under load: errors reach the reader, the daemon lives, nothing lies."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from e2elib.environment import Environment
from e2elib.mount import (DEADLINE, Mounted, daemons_of, mounts_of, require_fuse, require_root, servers_of, unmount,
                          unmount_all, wait_for_mounts)
from e2elib.process import ENVIRONMENT
from e2elib.runner import Failure, Problems, Skip

OPENS = 10_000
READERS = 8
KEPT = 4096         # bytes that are left of an image that is cut
SPARE = 1 << 20     # bytes that the server may still allocate


def copy_of(env: Environment) -> Path:
    """A copy of the sample, for tests that damage it."""
    copy = env.folder("copy") / "image.raw"
    subprocess.run(["cp", "--sparse=always", env.sample.raw, copy], check=True)
    return copy


def healthy(env: Environment, step: int = 40) -> dict[str, bytes]:
    """What each `step`th module is when nothing is wrong, by path in the tree."""
    return {f"modules/{path.name}": path.read_bytes() for path in env.rebuilt(env.sample)[::step]}


def error_of(path: Path) -> int:
    """The errno that reading a file gives; 0 when it can be read."""
    try:
        path.read_bytes()
    except OSError as error:
        return error.errno or 0
    return 0


def expect_same(problems: Problems, what: str, folder: Path, files: dict[str, bytes]) -> None:
    """The files are what they are when nothing is wrong."""
    for path, wanted in files.items():
        try:
            problems.check((folder / path).read_bytes() == wanted, f"{what}: {path} differs")
        except OSError as error:
            problems.check(False, f"{what}: {path}: {error.strerror}")


def expect_failing(problems: Problems, what: str, folder: Path, files: dict[str, bytes], words: str) -> None:
    """The files give EIO, and /log.txt says why; it could be read before, and is longer now."""
    log = folder / "log.txt"
    before = log.read_bytes()
    for path in files:
        problems.equal(f"{what}: {path}", error_of(folder / path), errno.EIO)
    after = log.read_bytes()
    problems.check(after.startswith(before) and words.encode() in after[len(before):],
                   f"{what}: log.txt has no line with {words!r}, but {after[len(before):][-300:]!r}")
    problems.equal(f"{what}: size of log.txt", log.stat().st_size, len(after))


def test_image_cut(env: Environment) -> None:
    """An image that is cut while mounted gives EIO, never zeros; what was read stays; put back, all is well."""
    problems, image, files = Problems(), copy_of(env), healthy(env)
    with Mounted(env, image) as folder:
        first = next(iter(files))
        (folder / first).read_bytes()
        server = servers_of(folder)
        os.truncate(image, KEPT)
        late = {path: wanted for path, wanted in files.items() if path != first}
        expect_failing(problems, "cut", folder, late, "ends before offset")
        expect_same(problems, "read before", folder, {first: files[first]})
        subprocess.run(["cp", "--sparse=always", env.sample.raw, image], check=True)
        expect_same(problems, "put back", folder, files)
        problems.equal("server", servers_of(folder), server)
    problems.finish()


def test_image_replaced(env: Environment) -> None:
    """An image that another file is renamed over stays the one that was opened."""
    problems, image, files = Problems(), copy_of(env), healthy(env)
    with Mounted(env, image) as folder:
        other = image.with_name("other")
        other.write_bytes(bytes(KEPT))
        other.rename(image)
        expect_same(problems, "replaced", folder, files)
        image.unlink()
        expect_same(problems, "removed", folder, files)
    problems.finish()


@contextmanager
def failing_server(env: Environment) -> Iterator[tuple[str, Path]]:
    """An NBD server of the sample: its URI, and a file during whose existence all reading fails with EIO."""
    if not shutil.which("nbdkit"):
        raise Skip("no nbdkit")
    folder = env.folder("nbd")
    socket, trigger = folder / "socket", folder / "fail"
    command = ["nbdkit", "-f", "-r", "-U", socket, "--filter=error", "file", env.sample.raw, "error-pread=EIO",
               "error-pread-rate=100%", f"error-pread-file={trigger}"]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + DEADLINE
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > end:
                    raise Failure("nbdkit does not serve")
                time.sleep(0.05)
            yield f"nbd+unix:///?socket={socket}", trigger
        finally:
            server.terminate()


@contextmanager
def failing_disk(env: Environment) -> Iterator[tuple[Path, Path]]:
    """The sample as a file on a file system that gives EIO while the second file exists."""
    if not shutil.which("nbdfuse"):
        raise Skip("no nbdfuse")
    require_fuse()
    folder = env.folder("disk")
    with failing_server(env) as (uri, trigger):
        with subprocess.Popen(["nbdfuse", "-r", folder / "image.raw", uri], env=ENVIRONMENT,
                              stderr=subprocess.DEVNULL) as disk:
            try:
                if not wait_for_mounts(lambda: bool(mounts_of(folder)), disk):
                    raise Failure("nbdfuse does not mount")
                yield folder / "image.raw", trigger
            finally:
                unmount_all(folder)


def _host_error(env: Environment, image: Path | str, trigger: Path, forget: Callable[[], None]) -> None:
    problems, files = Problems(), healthy(env)
    with Mounted(env, image) as folder:
        server = servers_of(folder)
        trigger.touch()
        forget()
        expect_failing(problems, "EIO", folder, files, "reading at offset")
        trigger.unlink()
        if isinstance(image, Path):     # a socket that broke can't be had anew in the sandbox
            expect_same(problems, "well again", folder, files)
        problems.equal("server", servers_of(folder), server)
    problems.finish()


def test_disk_error(env: Environment) -> None:
    """EIO from the image's disk is EIO to the reader, with a line in /log.txt; when the disk is well, so is the mount."""
    def forget() -> None:
        with suppress(OSError):
            Path("/proc/sys/vm/drop_caches").write_text("1\n")

    require_root()
    with failing_disk(env) as (image, trigger):
        _host_error(env, image, trigger, forget)


def test_server_error(env: Environment) -> None:
    """EIO from the server of a remote image is EIO to the reader; the daemon lives."""
    with failing_server(env) as (uri, trigger):
        _host_error(env, uri, trigger, lambda: None)


def test_commands_on_a_failing_disk(env: Environment) -> None:
    """Commands say in one line that the image can't be read, with exit code 2."""
    problems = Problems()
    original = next(iter(env.sample.originals.values()))
    with failing_server(env) as (uri, trigger):
        problems.equal("ls of a healthy one", env.run("ls", uri).code, 0)
        trigger.touch()
        for command in (["ls"], ["info"], ["cat", "modules.txt"], ["diff", original.stem, original],
                        ["extract", "-o", env.folder("out")]):
            result = env.run(command[0], uri, *command[1:])
            problems.equal(f"{command[0]}: exit code", result.code, 2)
            problems.equal(f"{command[0]}: lines", len(result.error_lines()), 1)
            problems.check("failed: Input/output error" in result.err, f"{command[0]}: {result.err}")
    problems.finish()


@contextmanager
def background(env: Environment, *options: str) -> Iterator[Path]:
    """A mount by daemons; nothing is mounted in the end."""
    require_fuse()
    folder = env.folder("point")
    try:
        env.output("mount", env.sample.raw, folder, *options)
        yield folder
    finally:
        unmount_all(folder)


def test_no_memory(env: Environment) -> None:
    """Without memory readers get an error or the right bytes; with memory again, all is well."""
    require_root()
    problems, files = Problems(), healthy(env, 1)           # more than the heap has set aside
    with background(env, "-o", "sandbox=off") as folder:    # so that its limits are ours to change
        (server,) = servers_of(folder)
        status = (Path("/proc") / str(server) / "status").read_text(encoding="utf-8")
        used = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData:"))
        before = resource.prlimit(server, resource.RLIMIT_DATA)
        resource.prlimit(server, resource.RLIMIT_DATA, (used + SPARE, before[1]))
        failed = 0
        for path, wanted in files.items():
            try:
                problems.check((folder / path).read_bytes() == wanted, f"{path} differs")
            except OSError as error:
                failed += 1
                problems.check(error.errno in (errno.ENOMEM, errno.EIO), f"{path}: {error.strerror}")
        problems.check(failed, "memory was never short")
        resource.prlimit(server, resource.RLIMIT_DATA, before)
        expect_same(problems, "with memory", folder, files)
        problems.equal("server", servers_of(folder), [server])
    problems.finish()


def read_until(folder: Path, stop: threading.Event, seed: int) -> None:
    """Reads files in a random order until told to stop or the mount is gone."""
    order = random.Random(seed)
    while not stop.is_set():
        try:
            for name in order.sample(os.listdir(folder / "modules"), 8):
                (folder / "modules" / name).read_bytes()
        except OSError:
            return


@contextmanager
def readers(folder: Path, count: int) -> Iterator[None]:
    """Threads that read all the time."""
    stop = threading.Event()
    threads = [threading.Thread(target=read_until, args=(folder, stop, seed)) for seed in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(DEADLINE)
        if any(thread.is_alive() for thread in threads):
            raise Failure("a reader hangs")


def gone(folder: Path) -> bool:
    """Neither mounts nor processes are left."""
    return wait_for_mounts(lambda: not mounts_of(folder) and not daemons_of(folder) and not servers_of(folder))


def test_unmount_while_reading(env: Environment) -> None:
    """umount -l while files are open and read: what is open can be read to its end, then all is gone."""
    problems, files = Problems(), healthy(env)
    with background(env) as folder:
        path, wanted = next(iter(files.items()))
        with readers(folder, 4), (folder / path).open("rb", buffering=0) as file:
            got = file.read(100) or b""
            problems.equal("umount -l", subprocess.run(["umount", "-l", folder], check=False).returncode, 0)
            got += file.read() or b""
            problems.check(got == wanted, f"{path} differs")
        problems.check(gone(folder), "the daemons did not end")
    problems.finish()


def test_signal_while_reading(env: Environment) -> None:
    """SIGTERM while eight read ends the mount; nobody hangs."""
    with background(env) as folder:
        (guard,) = daemons_of(folder)
        with readers(folder, READERS):
            time.sleep(1)
            os.kill(guard, signal.SIGTERM)
        if not gone(folder):
            raise Failure("the daemons did not end")


def test_server_killed(env: Environment) -> None:
    """When the process that reads the image is killed, its guard unmounts, and a new mount works."""
    problems = Problems()
    with background(env) as folder:
        (server,) = servers_of(folder)
        with readers(folder, 2):
            os.kill(server, signal.SIGKILL)
        problems.check(gone(folder), "still mounted")
        problems.equal("mount again", env.run("mount", env.sample.raw, folder).code, 0)
    problems.finish()


def test_guard_killed(env: Environment) -> None:
    """SIGKILL of the guard leaves a dead mount, which the next `lkmfs mount` names with the way out."""
    problems = Problems()
    with background(env) as folder:
        (guard,) = daemons_of(folder)
        os.kill(guard, signal.SIGKILL)
        problems.check(wait_for_mounts(lambda: not servers_of(folder)), "the server lives on")
        # The first request may still have been under way.
        problems.check(error_of(folder / "modules.txt") in (errno.ENOTCONN, errno.ECONNABORTED), "reading is no error")
        refused = env.run("mount", env.sample.raw, folder)
        problems.equal("exit code", refused.code, 32)
        problems.check(len(refused.error_lines()) == 1 and "fusermount3 -u" in refused.err, refused.err)
        problems.equal("unmount", unmount(folder).code, 0)
        problems.equal("mount again", env.run("mount", env.sample.raw, folder).code, 0)
        problems.check((folder / "modules.txt").read_bytes(), "nothing there")
    problems.finish()


def test_many_opens(env: Environment) -> None:
    """Ten thousand files are open at once, and all of them can be read."""
    problems = Problems()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < OPENS + 100:
        raise Skip(f"no more than {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPENS + 100, hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        folder = stack.enter_context(Mounted(env, env.sample.raw, "cache=16"))
        names = sorted(os.listdir(folder / "modules"))
        files = [stack.enter_context((folder / "modules" / names[i % len(names)]).open("rb", buffering=0))
                 for i in range(OPENS)]
        problems.check(all(file.read(4) == b"\x7fELF" for file in files), "some don't begin as ELF files do")
        problems.equal("open", len(files), OPENS)
    problems.finish()


def test_second_mount(env: Environment) -> None:
    """A second mount on the same folder is refused, and with nonempty lies over the first."""
    problems = Problems()
    with background(env) as folder:
        refused = env.run("mount", env.sample.raw, folder)
        problems.check(refused.code == 32 and "not empty" in refused.err, f"exit code {refused.code}, {refused.err}")
        problems.equal("nonempty", env.run("mount", env.sample.raw, folder, "-o", "nonempty").code, 0)
        problems.equal("mounts", len(mounts_of(folder)), 2)
        problems.equal("umount", unmount(folder).code, 0)
        problems.check((folder / "modules.txt").read_bytes(), "the first one is gone, too")
    problems.finish()


def test_mount_point_removed(env: Environment) -> None:
    """A mount point that is removed (from another name space, where nothing is mounted) takes the mount with it."""
    require_root()
    folder = env.folder("point")
    script = 'mount --make-rprivate / && "$0" mount "$1" "$2" && echo mounted && read -r _'
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", script, env.lkmfs, env.sample.raw, folder],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as shell:
        assert shell.stdin and shell.stdout

        def still_there() -> set[int]:
            return {*servers_of(folder), *daemons_of(folder)} - {shell.pid}

        try:
            if shell.stdout.readline() != b"mounted\n":
                raise Failure("not mounted")
            folder.rmdir()
            end = time.monotonic() + DEADLINE
            while (left := still_there()) and time.monotonic() < end:
                time.sleep(0.1)
            if left:
                raise Failure(f"still served by {left}")
        finally:
            shell.stdin.close()


def test_readers(env: Environment) -> None:
    """Eight readers for a while, with a cache that holds next to nothing: always the same bytes."""
    problems = Problems()
    wanted = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in env.rebuilt(env.sample)}
    names, end, reads = sorted(wanted), time.monotonic() + env.stress_seconds, [0] * READERS

    def work(number: int, folder: Path) -> None:
        order = random.Random(number)
        while time.monotonic() < end:
            name = order.choice(names)
            got = hashlib.sha256((folder / "modules" / name).read_bytes()).digest()
            problems.check(got == wanted[name], f"reader {number}: {name} differs")
            (folder / "info" / f"{name.removesuffix('.ko')}.json").read_bytes()
            reads[number] += 1

    with Mounted(env, env.sample.raw, "cache=1") as folder:
        threads = [threading.Thread(target=work, args=(number, folder)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(1)
            # Readers shall not find everything in the kernel's cache.
            with suppress(OSError):
                Path("/proc/sys/vm/drop_caches").write_text("3\n")
    problems.check(all(reads), f"a reader read nothing: {reads}")
    print(f"     {sum(reads)} modules read by {READERS} readers in {env.stress_seconds} s")
    problems.finish()
