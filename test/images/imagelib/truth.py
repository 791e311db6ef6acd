"""What the guest said of itself, sorted into plain text files."""

import re
import tarfile
from collections import defaultdict
from pathlib import Path

from . import ImageError

_SYSFS = re.compile(r"^/sys/module/([^/]+)/([^:]+):(.*)$")


class TruthError(ImageError):
    """The truth has a gap: the image is no use as a test."""


def unpack(disk: Path, into: Path) -> None:
    """Take the guest's tar archive off its disk and sort the modules' attributes into a file each."""
    try:
        with tarfile.open(disk) as archive:
            for member in archive:
                if content := archive.extractfile(member):
                    (into / Path(member.name).name).write_bytes(content.read())
    except tarfile.TarError as problem:
        raise TruthError(f"the guest's disk holds no truth: {problem}") from None
    sysfs = into / "sysfs"
    _sort(sysfs.read_text(errors="surrogateescape"), modules(into), into)
    sysfs.unlink()


def modules(truth: Path) -> list[str]:
    """The names of the loaded modules."""
    return [line.split()[0] for line in (truth / "modules").read_text().splitlines()]


def _sort(sysfs: str, names: list[str], into: Path) -> None:
    sections: dict[str, list[str]] = defaultdict(list)
    attributes: dict[str, list[str]] = defaultdict(list)
    for line in sysfs.split("\n"):
        if found := _SYSFS.match(line):
            module, name, value = found.groups()
            if name.startswith("sections/"):
                sections[module].append(f"{name.removeprefix('sections/')} {value}\n")
            else:
                attributes[module].append(f"{name} {value}\n")
    for kind, lines in (("sections", sections), ("attributes", attributes)):
        (into / kind).mkdir()
        for name in names:
            order = sorted(lines[name], key=lambda line: (int(line.split()[1], 16) if kind == "sections" else 0, line))
            (into / kind / name).write_text("".join(order), errors="surrogateescape")


def check(truth: Path, originals: Path) -> int:
    """See that every module has all its truth; the number of modules."""
    names = modules(truth)
    have = {path.stem.replace("-", "_") for path in originals.glob("*.ko")}
    kallsyms = (truth / "kallsyms").read_text()
    in_kallsyms = set(re.findall(r"\t\[(\w+)\]$", kallsyms, re.M))
    for name in names:
        sections = (truth / "sections" / name).read_text()
        attributes = (truth / "attributes" / name).read_text()
        gaps = [what for what, there in (
            ("original", name in have), ("kallsyms", name in in_kallsyms),
            ("sections", re.search(r"^\.gnu\.linkonce\.this_module 0x[0-9a-f]*[1-9a-f]", sections, re.M)),
            ("live state", "initstate live\n" in attributes)) if not there]
        if gaps:
            raise TruthError(f"{name} has no {', '.join(gaps)}")
    if have != set(names):
        raise TruthError(f"originals that are not loaded: {', '.join(sorted(have - set(names)))}")
    return len(names)


def check_image(image: Path, truth: Path) -> None:
    """See that the image holds the guest's kernel: its version banner, as /proc/version gives it."""
    banner = (truth / "version").read_bytes().strip()
    with image.open("rb") as file:
        tail = b""
        while block := file.read(1 << 22):
            if banner in tail + block:
                return
            tail = block[-len(banner):]
    raise TruthError(f"{image.name} does not hold the banner of the guest's kernel")
