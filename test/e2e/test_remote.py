"""An image behind an NBD server that goes away while it is mounted."""

from __future__ import annotations

import errno
import shutil
import subprocess
import time

from e2elib.environment import Environment
from e2elib.mount import Mounted, servers_of
from e2elib.runner import Problems, Skip

DEADLINE = 30   # seconds


def test_server_gone(env: Environment) -> None:
    """What was not read yet gives EIO and a line in the log; all else stays, and it is unmounted as always."""
    if not shutil.which("nbdkit"):
        raise Skip("no nbdkit")
    problems, socket = Problems(), env.folder("nbd") / "socket"
    with subprocess.Popen(["nbdkit", "-f", "-r", "-U", socket, "file", env.sample.raw]) as server:
        try:
            end = time.monotonic() + DEADLINE
            while not socket.exists() and time.monotonic() < end:
                time.sleep(0.01)
            with Mounted(env, f"nbd+unix:///?socket={socket}") as folder:
                paths = sorted((folder / "modules").iterdir())
                first = paths[0].read_bytes()
                server.kill()
                server.wait()
                lost = 0
                for path in paths[1:]:
                    try:
                        problems.check(path.read_bytes(), f"{path} is empty")
                    except OSError as error:
                        problems.equal(path.name, error.errno, errno.EIO)
                        lost += 1
                problems.check(lost > 0, "all was read without a server")
                problems.check(paths[0].read_bytes() == first, "what was read before is lost")
                problems.equal("modules", sorted((folder / "modules").iterdir()), paths)
                log = (folder / "log.txt").read_text(encoding="utf-8")
                problems.check("not connected; check the server and open it again" in log, f"log: {log[-300:]}")
                problems.check("was it cut" not in log, "the log takes it for a file that was cut")
                problems.equal("servers", len(servers_of(folder)), 1)
        finally:
            server.kill()
    problems.finish()
