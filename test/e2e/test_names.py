"""Modules with names that are made to do harm: safe, unique and stable as files, readable in /info."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from e2elib.environment import Environment
from e2elib.mount import Mounted
from e2elib.process import run
from e2elib.runner import Problems, Skip

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")


def _image(env: Environment) -> tuple[Path, list[tuple[str, bytes]]]:
    """An image with such modules; address and name of each, as its maker tells them."""
    path = env.folder("names") / "image.raw"
    maker = env.lkmfs.parents[1] / "test/e2e/make_names_image"
    if not maker.is_file():
        raise Skip(f"no {maker.name} beside this lkmfs: only build folders have it")
    made = run([maker, path])
    if made.code:
        raise AssertionError(f"make_names_image: exit code {made.code}: {made.err}")
    fields = [line.partition(" ") for line in made.out.decode().splitlines()]
    return path, [(address, bytes.fromhex(name)) for address, _, name in fields]


def _unescaped(text: str) -> bytes:
    r"""The bytes that lkmfs shows as `text`: \xHH and \\ stand for one."""
    return re.sub(rb"\\(x[0-9a-f]{2}|\\)", lambda match: bytes.fromhex(match[1][1:].decode()) if match[1] != b"\\" else b"\\",
                  text.encode())


def test_hostile(env: Environment) -> None:
    """Through a mount and extract: each module is one safe file, the same each time, and /info tells its true name."""
    problems, (image, modules) = Problems(), _image(env)
    outside = env.folder("outside")
    env.output("extract", image, "-o", outside / "inner")
    problems.equal("nothing beside the folder", os.listdir(outside), ["inner"])
    extracted = {path.name: path.read_bytes() for path in (outside / "inner").iterdir()}
    problems.equal("files", len(extracted), len(modules))
    for turn in range(2):
        with Mounted(env, image) as folder:
            problems.equal(f"/modules {turn}", sorted(os.listdir(folder / "modules")), sorted(extracted))
            told = []
            for name, content in extracted.items():
                stem = name.removesuffix(".ko")
                problems.check(SAFE.fullmatch(stem) and ".." not in stem, f"{name!r} is not safe")
                problems.check((folder / "modules" / name).read_bytes() == content, f"{name} differs from extract's")
                problems.check((folder / "loaded" / f"{stem}.elf").is_file(), f"no /loaded/{stem}.elf")
                text = (folder / "info" / f"{stem}.json").read_bytes()
                problems.check(not re.search(rb"[^\n -~\x80-\xff]", text), f"{stem}.json has control characters")
                told.append(_unescaped(json.loads(text)["name"]))
            problems.equal("true names", sorted(told), sorted(name for _, name in modules))
    problems.finish()
