"""The process that reads the image has given up its rights, and everything works all the same."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from e2elib.environment import Environment
from e2elib.mount import Mounted, daemons_of, mounts_of, require_fuse, require_root, servers_of, wait_for_mounts
from e2elib.process import Result, run
from e2elib.runner import Failure, Problems, Skip

USER = "daemon"     # one of every Debian's, who owns nothing
NOBODY = "65534"


def status_of(process: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = (Path("/proc") / str(process) / "status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def is_sanitized(env: Environment) -> bool:
    """Sanitizers need rights of their own, so that such builds keep their user."""
    return b"__asan_init" in (data := env.lkmfs.read_bytes()) or b"__tsan_init" in data


def test_rights_of_the_server(env: Environment) -> None:
    """The server: seccomp, no new privileges, nobody, no capabilities, no open file but the image; its guard mounts."""
    problems = Problems()
    with Mounted(env, env.sample.raw) as folder:
        os.listdir(folder / "modules")
        (server,) = servers_of(folder)
        status = status_of(server)
        problems.equal("Seccomp", status["Seccomp"], "2")
        problems.equal("NoNewPrivs", status["NoNewPrivs"], "1")
        if os.geteuid() == 0 and not is_sanitized(env):
            problems.equal("Uid", status["Uid"].split(), [NOBODY] * 4)
            problems.equal("Gid", status["Gid"].split(), [NOBODY] * 4)
            problems.equal("Groups", status["Groups"], "")
        if not is_sanitized(env):
            for name in ("CapInh", "CapPrm", "CapEff"):
                problems.equal(name, int(status[name], 16), 0)
        problems.equal("owner of the files", (folder / "modules").stat().st_uid, os.getuid())
    problems.finish()


def test_off(env: Environment) -> None:
    """sandbox=off leaves all rights; sandbox=on is the default; anything else is a usage error."""
    problems = Problems()
    for option, wanted in (("sandbox=off", "0"), ("sandbox=on", "2")):
        with Mounted(env, env.sample.raw, option) as folder:
            (server,) = servers_of(folder)
            problems.equal(option, status_of(server)["Seccomp"], wanted)
    problems.equal("ls --sandbox=off", env.output("ls", env.sample.raw, "--sandbox=off"), env.output("ls", env.sample.raw))
    problems.equal("sandbox=maybe", env.run("ls", env.sample.raw, "--sandbox=maybe").code, 1)
    problems.finish()


def test_extract_writes_only_there(env: Environment) -> None:
    """Extraction in the sandbox: into a folder that is made, over old files and links, the same bytes as without."""
    problems = Problems()
    folder, outside = env.folder("out"), env.folder("outside") / "file"
    outside.write_bytes(b"kept")
    names = sorted(path.name for path in env.rebuilt(env.sample)[:3])
    (folder / names[0]).symlink_to(outside)
    (folder / names[1]).write_bytes(b"old")
    env.output("extract", env.sample.raw, "-o", folder, *names)
    env.output("extract", env.sample.raw, "-o", folder / "made", "--sandbox=off", *names)
    for name in names:
        problems.check((folder / name).read_bytes() == (folder / "made" / name).read_bytes(), f"{name} differs")
        problems.check(not (folder / name).is_symlink(), f"{name} is a link")
    problems.equal("the file outside", outside.read_bytes(), b"kept")
    problems.equal("files", sorted(os.listdir(folder)), sorted([*names, "made"]))
    problems.finish()


class User(NamedTuple):
    """An ordinary user's place: a folder of his, with lkmfs and an image in it."""

    folder: Path
    lkmfs: Path
    image: Path

    def run(self, *command: str | Path) -> Result:
        """Runs a program as that user."""
        who = pwd.getpwnam(USER)
        return run(["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", *command],
                   cwd=self.folder)


@contextmanager
def ordinary_user(env: Environment) -> Iterator[User]:
    """Lets USER mount, as on any system with FUSE for all: /dev/fuse is made open to all for as long."""
    require_root()
    require_fuse()
    if not shutil.which("fusermount3") or not shutil.which("setpriv"):
        raise Skip("no fusermount3 or no setpriv")
    device = Path("/dev/fuse")
    mode = stat.S_IMODE(device.stat().st_mode)
    folder = Path(tempfile.mkdtemp(prefix="lkmfs-user-", dir="/tmp"))
    try:
        device.chmod(0o666)
        folder.chmod(0o755)
        user = User(folder, folder / "lkmfs", folder / "image.raw")
        shutil.copy(env.lkmfs, user.lkmfs)
        subprocess.run(["cp", "--sparse=always", env.sample.raw, user.image], check=True)
        user.image.chmod(0o644)
        shutil.chown(folder, USER)
        yield user
    finally:
        device.chmod(mode)
        shutil.rmtree(folder, ignore_errors=True)


def test_rootless(env: Environment) -> None:
    """An ordinary user mounts through fusermount3, in the sandbox; fusermount3 -u, SIGTERM and timeout= unmount."""
    problems = Problems()
    with ordinary_user(env) as user:
        point = user.folder / "point"
        problems.equal("mkdir", user.run("mkdir", point).code, 0)

        def expect_gone(what: str) -> None:
            problems.check(wait_for_mounts(lambda: not mounts_of(point) and not servers_of(point)), f"{what}: still there")

        for options, end in (([], ["fusermount3", "-u", point]), ([], None), (["-o", "timeout=1"], [])):
            what = " ".join(map(str, end or options or ["SIGTERM"]))
            mounted = user.run(user.lkmfs, "mount", user.image, point, *options)
            if not problems.check(mounted.code == 0 and mounts_of(point), f"{what}: exit code {mounted.code}: {mounted.err}"):
                break
            if not options:
                (server,) = servers_of(point)
                status = status_of(server)
                problems.equal(f"{what}: Seccomp", (status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
                problems.equal(f"{what}: Uid", status["Uid"].split()[0], str(pwd.getpwnam(USER).pw_uid))
                path = env.rebuilt(env.sample)[0]
                seen = user.run("cat", point / "modules" / path.name)
                problems.check(seen.out == path.read_bytes(), f"{what}: {path.name} differs: {seen.err}")
            if end:
                problems.equal(f"{what}: unmount", user.run(*end).code, 0)
            elif end is None:
                os.kill(daemons_of(point)[0], signal.SIGTERM)
            expect_gone(what)
        out = user.run(user.lkmfs, "extract", user.image, "-o", "out", env.rebuilt(env.sample)[0].stem)
        problems.check(out.code == 0, f"extract: exit code {out.code}: {out.err}")
    problems.finish()


def test_root_extracts_for_a_user(env: Environment) -> None:
    """Root without capabilities can still write to a folder of somebody else's."""
    require_root()
    folder = env.folder("theirs")
    shutil.chown(folder, USER)
    folder.chmod(0o700)
    name = env.rebuilt(env.sample)[0].stem
    env.output("extract", env.sample.raw, "-o", folder, name)
    if not (folder / f"{name}.ko").exists():
        raise Failure("nothing was written")


def test_unreadable_to_nobody(env: Environment) -> None:
    """An image that only root may read can be mounted by root, though the server is nobody."""
    require_root()
    problems = Problems()
    folder = env.folder("secret")
    subprocess.run(["cp", "--sparse=always", env.sample.raw, folder / "image.raw"], check=True)
    (folder / "image.raw").chmod(0o600)
    folder.chmod(0o700)
    with Mounted(env, folder / "image.raw") as point:
        for path in env.rebuilt(env.sample)[:5]:
            problems.check((point / "modules" / path.name).read_bytes() == path.read_bytes(), path.name)
    problems.finish()
