"""Packages from the machine's own archive, through a private apt state: the machine's configuration stays untouched."""

import re
import time
from pathlib import Path

from . import ImageError
from .tools import run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
INDEX_AGE = 3 * 3600                    # seconds an index is good for


class ArchiveError(ImageError):
    """The archive, or a package in it, can't be had."""


def _apt(*command: str, cwd: Path | None = None) -> str:
    try:
        return run(command, cwd).decode()
    except ImageError as problem:
        raise ArchiveError(str(problem)) from None


def _address() -> str:
    """The archive this machine is configured for."""
    rows = _apt("apt-get", "indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)").splitlines()
    for row in rows:
        address, origin, label = row.rsplit("|", 2)
        if origin == label == "Debian":
            return address
    raise ArchiveError("apt knows no Debian archive; run apt-get update, or add one to its sources")


class Suite:
    """One suite and architecture of the archive, with its own apt state in a folder."""

    def __init__(self, folder: Path, suite: str, arch: str) -> None:
        self.suite, self.arch = suite, arch
        self.folder = folder / f"{suite}-{arch}"
        self._refreshed = self.folder / "refreshed"

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self.folder / "state", "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status", "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": self.arch, "APT::Architectures": self.arch,
            "APT::Sandbox::User": "", "Acquire::Languages": "none", "Acquire::Retries": "2",
        }
        return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def refresh(self) -> None:
        """Fetch the suite's index, unless that happened lately."""
        if self._refreshed.exists() and time.time() - self._refreshed.stat().st_mtime < INDEX_AGE:
            return
        for part in ("state", "lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        signed = f" signed-by={KEYRING}" if KEYRING.exists() else ""
        source = f"deb [arch={self.arch}{signed}] {_address()} {self.suite} main\n"
        (self.folder / "sources.list").write_text(source)
        update = ["apt-get", "update", "-q", "--error-on=any", *self._options()]
        try:
            _apt(*update)
        except ArchiveError:            # most likely an old suite whose Release file has expired
            _apt(*update, "-o", "Acquire::Check-Valid-Until=false")
        self._refreshed.touch()

    def _facts(self, package: str) -> dict[str, str]:
        text = _apt("apt-cache", *self._options(), "show", "--no-all-versions", package)
        return dict(re.findall(r"^([A-Za-z-]+): (.*)$", text.split("\n\n")[0], re.M))

    def resolve(self, package: str) -> dict[str, str]:
        """The kernel's packages that a metapackage stands for today: name -> version."""
        wanted, found = [package], {}
        while wanted:
            facts = self._facts(wanted.pop())
            found[facts["Package"]] = facts["Version"]
            for name in re.findall(r"linux-(?:image|binary|modules|base)-\d[^\s,|(]*", facts.get("Depends", "")):
                if name not in found:
                    wanted.append(name)
        del found[package]
        if not found:
            raise ArchiveError(f"{package} of {self.suite} names no kernel")
        return dict(sorted(found.items()))

    def unpack(self, packages: dict[str, str], into: Path) -> None:
        """Download packages and unpack them into one folder, which is made."""
        debs = into.with_name(into.name + ".debs")
        debs.mkdir(parents=True)
        names = [f"{name}={version}" for name, version in packages.items()]
        try:
            _apt("apt-get", *self._options(), "-q", "download", *names, cwd=debs)
        except ArchiveError:            # perhaps newer ones have replaced them: look again next time
            self._refreshed.unlink(missing_ok=True)
            raise
        for deb in sorted(debs.glob("*.deb")):
            run(["dpkg-deb", "-x", deb, into])
            deb.unlink()
        debs.rmdir()
