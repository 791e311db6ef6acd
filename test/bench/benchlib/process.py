"""Timing whole processes."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """What one run of a process took."""

    seconds: float      # from start to end
    resident: float     # MiB at most
    cpu: float          # seconds of all processors, user and system


def once(command: Sequence[str | Path]) -> Run:
    """Run a command to its end; its output is thrown away."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def medians(runs: int, actions: Sequence[Callable[[], float]]) -> list[float]:
    """The median of each action, run in turns so that a busy spell hits all alike; one turn more warms up."""
    results: list[list[float]] = [[] for _ in actions]
    for turn in range(runs + 1):
        for index, action in enumerate(actions):
            value = action()
            if turn:
                results[index].append(value)
    return [statistics.median(values) for values in results]
