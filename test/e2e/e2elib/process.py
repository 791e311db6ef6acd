"""Running programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 600   # seconds; nothing here takes a tenth of it unless it hangs

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "DEBUGINFOD_URLS": ""}


class Result(NamedTuple):
    """What a program did."""

    code: int
    out: bytes
    err: str

    def error_lines(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


def run(command: Sequence[str | Path], *, timeout: float = TIMEOUT, cwd: Path | None = None,
        stdin: bytes | None = None) -> Result:
    """Runs a program to its end; one that takes too long is killed and raises subprocess.TimeoutExpired."""
    done = subprocess.run(command, capture_output=True, timeout=timeout, cwd=cwd, env=ENVIRONMENT, check=False,
                          **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
