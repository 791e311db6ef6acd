"""Counting instructions with callgrind, and comparing the counts with a recorded baseline.

A count does not depend on how busy or fast the machine is, but on the compiler and the C library: a baseline is kept for
each pair of them.
"""

import json
import platform
import re
import subprocess
from pathlib import Path

_BASELINE = Path(__file__).resolve().parent.parent / "baseline.json"
_MAY_GROW = 1.10

# Each less what starting the program alone takes. One thread: what several wait for each other is counted, too.
# Without sandbox: it forbids the system calls that valgrind makes itself.
_COMMANDS = {
    "ls": ["ls", "{image}"],
    "cat /report.html": ["cat", "{image}", "/report.html"],
    "extract": ["extract", "{image}", "-o", "{out}", "--threads=1"],
    "extract --loaded": ["extract", "{image}", "-o", "{out}", "--threads=1", "--loaded"],
}


def _count(command: list[str]) -> int:
    """Instructions of one run."""
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], check=True,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if not found:
        raise RuntimeError(f"callgrind says no count: {run.stderr}")
    return int(found[1])


def measure(binary: Path, image: Path, work: Path) -> dict[str, int]:
    """Instructions of every command."""
    start = _count([str(binary), "--version"])
    return {name: _count([str(binary), words[0], "--sandbox=off",
                          *(word.format(image=image, out=work / "counted") for word in words[1:])]) - start
            for name, words in _COMMANDS.items()}


def toolchain(binary: Path) -> str:
    """What counts depend on: the compiler, by the note that it leaves in the program, and the C library."""
    comment = subprocess.run(["readelf", "--string-dump=.comment", binary], check=True, capture_output=True,
                             text=True).stdout
    compilers = sorted(set(re.findall(r"] *(.*\S)", re.sub(r"\(.*?\) ", "", comment))))
    return ", ".join([*compilers, " ".join(platform.libc_ver()), platform.machine()])


def recorded(key: str) -> dict[str, int] | None:
    """The baseline of a toolchain, None when there is none."""
    return json.loads(_BASELINE.read_text()).get(key)


def record(key: str, counts: dict[str, int]) -> None:
    """Keep `counts` as the baseline of a toolchain."""
    baselines = json.loads(_BASELINE.read_text()) if _BASELINE.exists() else {}
    baselines[key] = counts
    _BASELINE.write_text(json.dumps(baselines, indent=1, sort_keys=True) + "\n")


def table(counts: dict[str, int], baseline: dict[str, int]) -> tuple[str, list[str]]:
    """For people; and the lines of what grew too much."""
    lines, grown = [f"{'instructions':28} {'counted':>14} {'baseline':>14} {'ratio':>7}"], []
    for name, count in counts.items():
        ratio = count / baseline[name]
        lines.append(f"{name:28} {count:14,} {baseline[name]:14,} {ratio:7.3f}")
        if ratio > _MAY_GROW:
            grown.append(f"{name}: {ratio:.2f} times the instructions of the baseline, {_MAY_GROW:.2f} at most; if that "
                         "is worth it, record a new one with --record")
    return "\n".join(lines), grown
