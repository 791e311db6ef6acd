"""How mounts come and go: the daemon, signals, options, mount(8) and its helper."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2elib.environment import Environment
from e2elib.mount import (DEADLINE, Mounted, daemons_of, mounts_of, require_fuse, require_root, unmount, unmount_all,
                          wait_for_mounts)
from e2elib.process import ENVIRONMENT, Result, run
from e2elib.runner import Failure, Problems, Skip

HELPER = Path("/sbin/mount.lkmfs")


@contextmanager
def mount_point(env: Environment) -> Iterator[Path]:
    """A folder on which nothing is mounted in the end, whatever happened."""
    require_fuse()
    folder = env.folder("point")
    try:
        yield folder
    finally:
        unmount_all(folder)


def expect_mounted(problems: Problems, what: str, result: Result, folder: Path) -> None:
    """The command succeeded in silence, and the tree is there; it is unmounted again."""
    problems.check(result.code == 0 and not result.err and not result.out,
                   f"{what}: exit code {result.code}, {(result.err or result.out.decode()).strip()}")
    if problems.equal(f"{what}: mounts", len(mounts_of(folder)), 1):
        problems.check((folder / "modules.txt").read_bytes(), f"{what}: modules.txt is empty")
        problems.equal(f"{what}: umount", unmount(folder).code, 0)
        problems.check(wait_for_mounts(lambda: not mounts_of(folder)), f"{what}: still mounted")


def wait_for_end(process: int) -> bool:
    """Waits until a process that is no child has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([descriptor], [], [], DEADLINE)
    os.close(descriptor)
    return bool(ended)


def test_background(env: Environment) -> None:
    """`lkmfs mount` returns once the tree is there; umount ends its daemon, which holds none of our descriptors."""
    problems = Problems()
    with mount_point(env) as folder:
        result = env.run("mount", env.sample.raw, folder)
        daemons = daemons_of(folder)
        problems.equal("daemons", len(daemons), 1)
        expect_mounted(problems, "mount", result, folder)
        for daemon in daemons:
            problems.check(wait_for_end(daemon), f"daemon {daemon} did not end")
    problems.finish()


def test_names_in_mount_table(env: Environment) -> None:
    """The mount table has the image and the type fuse.lkmfs, read-only."""
    problems, image = Problems(), env.sample.raw
    with Mounted(env, image) as folder:
        with open("/proc/self/mounts", encoding="utf-8") as lines:
            source, _, kind, options, *_ = next(line.split() for line in lines if line.split()[1] == str(folder))
        problems.equal("source", source, str(image))
        problems.equal("type", kind, "fuse.lkmfs")
        for option in ("ro", "nosuid", "nodev"):
            problems.check(option in options.split(","), f"no {option} in {options}")
    problems.finish()


def _stop_by(env: Environment, number: signal.Signals, foreground: bool) -> None:
    with mount_point(env) as folder:
        image = env.sample.raw
        if foreground:
            child = subprocess.Popen([env.lkmfs, "mount", "-f", image, folder], env=ENVIRONMENT, stderr=subprocess.PIPE)
            assert child.stderr
            try:
                if not wait_for_mounts(lambda: bool(mounts_of(folder)), child):
                    raise Failure("not mounted")
                os.listdir(folder / "modules")
                child.send_signal(number)
                code = child.wait(DEADLINE)
                said = child.stderr.read()
            finally:
                child.kill()
                child.wait()
                child.stderr.close()
            if code or said:
                raise Failure(f"exit code {code}, said {said.decode(errors='replace')}")
        else:
            env.output("mount", image, folder)
            (daemon,) = daemons_of(folder)
            os.kill(daemon, number)
            if not wait_for_end(daemon):
                raise Failure("the daemon did not end")
        if not wait_for_mounts(lambda: not mounts_of(folder)):
            raise Failure("still mounted")


def test_sigterm(env: Environment) -> None:
    """SIGTERM unmounts."""
    _stop_by(env, signal.SIGTERM, True)
    _stop_by(env, signal.SIGTERM, False)


def test_sigint(env: Environment) -> None:
    """SIGINT unmounts."""
    _stop_by(env, signal.SIGINT, True)


def test_signal_while_in_use(env: Environment) -> None:
    """SIGTERM while a file is open ends the mount without hanging the reader."""
    with mount_point(env) as folder:
        env.output("mount", env.sample.raw, folder)
        (daemon,) = daemons_of(folder)
        descriptor = os.open(folder / "modules.txt", os.O_RDONLY)
        try:
            os.read(descriptor, 10)
            os.kill(daemon, signal.SIGTERM)
            if not wait_for_end(daemon) or not wait_for_mounts(lambda: not mounts_of(folder)):
                raise Failure("still mounted")
        finally:
            with suppress(OSError):     # the daemon can't answer any more
                os.close(descriptor)


def test_busy_umount(env: Environment) -> None:
    """umount of a mount in use fails, and it stays usable."""
    problems = Problems()
    with Mounted(env, env.sample.raw) as folder:
        with (folder / "modules.txt").open("rb"):
            problems.check(unmount(folder).code != 0, "umount succeeded")
            problems.check((folder / "modules.json").read_bytes(), "no longer readable")
    problems.finish()


def test_options(env: Environment) -> None:
    """What fstab and mount(8) say is taken; -s, -v, -n, -f as mount(8) means them; options before the paths."""
    problems, image = Problems(), env.sample.raw
    helper = env.lkmfs.with_name("mount.lkmfs")
    with mount_point(env) as folder:
        for words in (["-o", "rw"], ["-o", "ro,nofail,user,_netdev,x-foo=bar,x-systemd.automount,noatime"], ["-n"],
                      ["-o", "rw,user=root,noexec,nosuid,nodev"], ["-s", "-o", "frobnicate,ro"],
                      ["-o", "allow_other,cache=16,threads=2"], ["-o", "ro", "-t", "fuse.lkmfs"]):
            what = "mount.lkmfs " + " ".join(words)
            expect_mounted(problems, what, run([helper, image, folder, *words]), folder)
        fake = run([helper, image, folder, "-f", "-o", "rw"])
        problems.check(fake.code == 0 and not mounts_of(folder), f"-f: exit code {fake.code}, {fake.err}")
        verbose = run([helper, image, folder, "-v", "-o", "rw"])
        problems.check(verbose.code == 0 and mounts_of(folder), f"-v: exit code {verbose.code}, {verbose.err}")
        unmount_all(folder)
        refused = run([helper, image, folder, "-o", "frobnicate"])
        problems.check(refused.code == 1 and not mounts_of(folder), f"unknown option: exit code {refused.code}")
    problems.finish()


def test_fuse_form(env: Environment) -> None:
    """mount.fuse3 runs `lkmfs IMAGE DIR -o OPTIONS`."""
    problems = Problems()
    with mount_point(env) as folder:
        result = env.run(env.sample.raw, folder, "-o", "rw,dev,suid")
        expect_mounted(problems, "lkmfs IMAGE DIR", result, folder)
    problems.finish()


def test_relative_paths(env: Environment) -> None:
    """Relative paths work though the daemon leaves the folder."""
    problems = Problems()
    with mount_point(env) as folder:
        image = os.path.relpath(env.sample.raw, folder.parent)
        result = env.run("mount", image, folder.name, cwd=folder.parent)
        expect_mounted(problems, "relative", result, folder)
    problems.finish()


def test_nonempty(env: Environment) -> None:
    """A folder with something in it is refused, and mounted over with -o nonempty."""
    problems, image = Problems(), env.sample.raw
    with mount_point(env) as folder:
        (folder / "file").write_text("kept")
        refused = env.run("mount", image, folder)
        problems.check(refused.code == 32 and not mounts_of(folder), f"exit code {refused.code}")
        expect_mounted(problems, "nonempty", env.run("mount", image, folder, "-o", "nonempty"), folder)
        problems.equal("the file beneath", (folder / "file").read_text(), "kept")
    problems.finish()


def test_two_mounts(env: Environment) -> None:
    """The same image on two folders at once."""
    problems, image = Problems(), env.sample.raw
    with Mounted(env, image) as one, Mounted(env, image) as two:
        names = sorted(os.listdir(one / "modules"))
        problems.equal("modules", sorted(os.listdir(two / "modules")), names)
        for name in names[::40]:
            problems.check((one / "modules" / name).read_bytes() == (two / "modules" / name).read_bytes(), name)
    problems.finish()


def test_timeout(env: Environment) -> None:
    """timeout= unmounts when nobody uses the mount any more."""
    with mount_point(env) as folder:
        env.output("mount", env.sample.raw, folder, "-o", "timeout=1")
        os.listdir(folder)
        if not wait_for_mounts(lambda: not mounts_of(folder)):
            raise Failure("still mounted")


def staged(env: Environment) -> Path:
    """A folder into which the build folder of the binary was installed."""
    build, stage = env.lkmfs.parent.parent, env.folder("stage")
    if not (build / "CMakeCache.txt").exists():
        raise Skip("the binary is not in a build folder")
    result = run(["env", f"DESTDIR={stage}", "cmake", "--install", build, "--prefix", "/usr"])
    if result.code or result.err:
        raise Failure(f"cmake --install: exit code {result.code}, {result.err}")
    return stage


@contextmanager
def installed_helper(env: Environment) -> Iterator[None]:
    """/sbin/mount.lkmfs: of an install to a folder of the test's own, unless there is one that runs our binary."""
    require_root()
    if HELPER.is_symlink() or HELPER.exists():
        if HELPER.resolve() != env.lkmfs:
            raise Skip(f"{HELPER} is another one: {HELPER.resolve()}")
        yield
        return
    HELPER.symlink_to(staged(env) / "usr/bin/lkmfs")
    try:
        yield
    finally:
        HELPER.unlink()


def test_mount8(env: Environment) -> None:
    """mount(8) finds the helper: by type, with fstab's options, fake and sloppy; umount(8) undoes it."""
    problems, image = Problems(), env.sample.raw
    with installed_helper(env), mount_point(env) as folder:
        for words in ([], ["-o", "ro"], ["-o", "nofail,user,_netdev,x-foo,noauto"], ["-s", "-o", "frobnicate"], ["-r"]):
            expect_mounted(problems, "mount " + " ".join(words), run(["mount", "-t", "lkmfs", *words, image, folder]), folder)
        fake = run(["mount", "-f", "-t", "lkmfs", image, folder])
        problems.check(fake.code == 0 and not mounts_of(folder), f"mount -f: exit code {fake.code}, {fake.err}")
        for what, words, code in (("no image", [folder / "nothing", folder], 32), ("unknown option", ["-o", "frobnicate", image, folder], 1)):
            result = run(["mount", "-t", "lkmfs", *words])
            problems.check(result.code == code and not mounts_of(folder), f"{what}: exit code {result.code}: {result.err}")
        fstab = env.folder("fstab") / "fstab"
        fstab.write_text(f"{image} {folder} lkmfs ro,nofail,x-test 0 0\n")
        expect_mounted(problems, "fstab", run(["mount", "-T", fstab, folder]), folder)
    problems.finish()


def test_install(env: Environment) -> None:
    """`cmake --install` into a stage: binary, mount helper as a relative link, man pages, library, pkg-config file."""
    problems, stage = Problems(), staged(env)
    problems.check((stage / "usr/bin/lkmfs").is_file(), "no /usr/bin/lkmfs")
    helper = stage / "sbin/mount.lkmfs"
    if problems.check(helper.is_symlink(), "no /sbin/mount.lkmfs"):
        target = Path(os.readlink(helper))
        problems.check(os.path.normpath(os.path.join("/sbin", target)) == "/usr/bin/lkmfs", f"it leads to {target}")
    for pattern in ("lkmfs.1*", "mount.lkmfs.8*", "lkmfs.pc", "liblkmfs.a", "lkmfs/image.h"):
        problems.check(list(stage.rglob(pattern.rpartition("/")[2])), f"{pattern} is not installed")
    problems.finish()

