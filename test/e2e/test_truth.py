"""Against what the guest's kernel said of itself."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from e2elib.environment import Environment, Image
from e2elib.mount import tree_infos
from e2elib.runner import Problems, Skip
from e2elib.truth import KernelSymbol
from fidelitylib.elf import ET_EXEC, ET_REL, Elf

LINK_BASE = 0xFFFFFFFF81000000      # where x86_64 kernels are linked to
PHYSICAL_BASE = 0x1000000
FREED = (".init", ".symtab", ".strtab")     # the kernel keeps their addresses only


def test_modules(env: Environment, image: Image) -> None:
    """The modules of /proc/modules, all and only those, with what it says of them."""
    problems = Problems()
    listed = {record["name"]: record for record in env.json("ls", "--json", image.raw)}
    wanted = image.truth.modules
    problems.equal("missing", sorted(wanted.keys() - listed.keys()), [])
    problems.equal("too many", sorted(listed.keys() - wanted.keys()), [])
    for name in wanted.keys() & listed.keys():
        got, line = listed[name], wanted[name]
        problems.equal(f"{name} base", int(got["base"], 16), line.base)
        problems.equal(f"{name} size", got["size"], line.size)
        problems.equal(f"{name} refcount", got["refcount"], line.refcount)
        problems.equal(f"{name} users", got["used_by"], line.users)
        problems.equal(f"{name} state", got["state"].lower(), line.state.lower())
        problems.equal(f"{name} taints", got["taints"]["letters"], line.taints)
        problems.equal(f"{name} hidden", got["hidden"], False)
    problems.finish()


def test_attributes(env: Environment, image: Image) -> None:
    """Version and source version of /sys/module."""
    problems = Problems()
    for record in env.json("ls", "--json", image.raw):
        wanted = image.truth.attributes(record["name"])
        for name in ("version", "srcversion"):
            problems.equal(f"{record['name']} {name}", record[name], wanted.get(name))
    problems.finish()


def test_lists_agree(env: Environment, image: Image) -> None:
    """The list for people, the one for programs and modules.txt have the same modules."""
    problems = Problems()
    files = [record["file"] for record in env.json("ls", "--json", image.raw)]
    rows = env.output("ls", image.raw).decode().splitlines()
    problems.equal("ls", [row.split()[0] for row in rows[1:]], files)
    text = env.output("cat", image.raw, "modules.txt").decode().splitlines()
    problems.equal("modules.txt", [row.split()[0] for row in text][-len(files):], files)
    problems.equal("extract", sorted(path.stem for path in env.rebuilt(image)), sorted(files))
    problems.finish()


def test_kernel(env: Environment, image: Image) -> None:
    """Slides, paging and version of the kernel."""
    problems, truth = Problems(), image.truth
    info = env.json("info", "--json", image.raw)["kernel"]
    text = truth.kernel_symbol("_text")
    problems.equal("text", int(info["text_virtual"], 16), text)
    problems.equal("virtual slide", int(info["virtual_slide"], 16), text - LINK_BASE)
    problems.equal("physical text", int(info["text_physical"], 16), truth.kernel_code)
    problems.equal("physical slide", int(info["physical_slide"], 16), truth.kernel_code - PHYSICAL_BASE)
    problems.check(("5" in info["paging"]) == truth.five_level, f"paging: {info['paging']}")
    problems.equal("release", info["release"], truth.release)
    problems.equal("banner", info["banner"], truth.version)
    problems.equal("/kernel/version", env.output("cat", image.raw, "kernel/version").decode().strip(), truth.version)
    btf = env.output("cat", image.raw, "kernel/btf")
    log = env.output("cat", image.raw, "log.txt").decode()
    problems.equal("doubts in log.txt", [line for line in log.splitlines() if "doubt" in line], [])
    problems.check(btf[:4] == b"\x9f\xeb\x01\x00" and len(btf) > 1 << 20, f"/kernel/btf is {len(btf)} bytes")
    problems.finish()


def test_kallsyms(env: Environment, image: Image) -> None:
    """/kernel/kallsyms is /proc/kallsyms, less what the kernel makes up (ftrace, bpf)."""
    problems = Problems()
    got: dict[str, list[KernelSymbol]] = {}
    for line in env.output("cat", image.raw, "kernel/kallsyms").decode().splitlines():
        address, letter, name, *module = line.split()
        got.setdefault(module[0][1:-1] if module else "", []).append(KernelSymbol(int(address, 16), letter, name))
    problems.equal("symbols of the kernel", len(got.get("", [])), len(image.truth.kallsyms[""]))
    for one, two in zip(got.get("", []), image.truth.kallsyms[""]):
        problems.equal("symbol of the kernel", one, two)
    for module in image.truth.modules:
        one, two = Counter(got.get(module, [])), Counter(image.truth.kallsyms.get(module, []))
        problems.check(one == two, f"{module}: missing {list((two - one).elements())[:3]}, "
                                   f"too many {list((one - two).elements())[:3]}")
    problems.finish()


def test_section_addresses(env: Environment, image: Image) -> None:
    """Every section of /sys/module/*/sections that is still in memory is in the .elf at its address."""
    problems = Problems()
    for path in env.loaded(image):
        elf = Elf.open(path)
        problems.equal(f"{path.name} type", elf.type, ET_EXEC)
        got = {section.name: section.addr for section in elf.sections if section.alloc}
        wanted = {name: address for name, address in image.truth.sections(path.stem).items()
                  if not name.startswith(FREED)}
        for name, address in wanted.items():
            if problems.check(name in got, f"{path.stem}: no section {name}"):
                problems.equal(f"{path.stem} {name}", hex(got[name]), hex(address))
    problems.finish()


def test_symbol_addresses(env: Environment, image: Image) -> None:
    """For every symbol of /proc/kallsyms the .ko has one whose section's address and value add up to its address."""
    problems, infos = Problems(), tree_infos(env, image)
    for path in env.rebuilt(image):
        elf, known = Elf.open(path), image.truth.sections(path.stem)
        problems.equal(f"{path.name} type", elf.type, ET_REL)
        addresses = _addresses(infos[path.stem])
        have: Counter[tuple[str, int]] = Counter()
        for symbol in elf.symbols:
            section = elf.section_of(symbol)
            address = known.get(section.name, addresses.get(section.index)) if section else None
            if address is not None:
                have[symbol.name, address + symbol.value] += 1
        for symbol in set(image.truth.kallsyms.get(path.stem, [])):
            problems.check(have[symbol.name, symbol.address],
                           f"{path.stem}: no symbol {symbol.name} at {symbol.address:#x}")
    problems.finish()


def _addresses(info: dict[str, Any]) -> dict[int, int]:
    """Addresses of sections that sysfs does not list, by index: empty ones, and per-CPU variables."""
    addresses = {section["index"]: int(section["address"], 16)
                 for section in info["object"]["sections"] if section["address"]}
    for section in info["object"]["sections"]:
        if section["name"] == ".data..percpu" and info["percpu"]:
            addresses[section["index"]] = int(info["percpu"]["address"], 16)
    return addresses


def test_info(env: Environment, image: Image) -> None:
    """/info: section addresses, sizes of the file, and parameters with their values where their type is known."""
    problems, infos = Problems(), tree_infos(env, image)
    problems.equal("modules", sorted(infos), sorted(image.truth.modules))
    for path in env.rebuilt(image):
        name, info = path.stem, infos[path.stem]
        addresses = image.truth.sections(name)
        problems.equal(f"{name} object size", info["object"]["size"], path.stat().st_size)
        for section in info["object"]["sections"]:
            if section["name"] in addresses and section["address"] and not section["name"].startswith(FREED):
                problems.equal(f"{name} {section['name']}", int(section["address"], 16), addresses[section["name"]])
        _check_parameters(problems, name, info["parameters"], image.truth.attributes(name))
    problems.finish()


def test_info_schema(env: Environment, image: Image) -> None:
    """Every file of /info is as test/schema says."""
    try:
        import jsonschema
    except ImportError as error:
        raise Skip("python3-jsonschema is not installed") from error
    schema = json.loads((env.project / "test/schema/info.schema.json").read_text())
    validator, problems = jsonschema.Draft202012Validator(schema), Problems()
    for name, info in tree_infos(env, image).items():
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(info)]
        problems.check(not errors, f"{name}: {errors[:2]}")
    problems.finish()


def _check_parameters(problems: Problems, module: str, parameters: list[dict[str, Any]],
                      attributes: dict[str, str]) -> None:
    """Only a type that lkmfs does not know excuses a missing value."""
    found = {parameter["name"]: parameter for parameter in parameters}
    for key, value in attributes.items():
        name = key.removeprefix("parameters/")
        if name == key:
            continue
        parameter = found.get(name)
        if problems.check(parameter, f"{module}: no parameter {name}") and parameter and parameter["type"]:
            wanted = None if (parameter["type"], value) == ("charp", "(null)") else value
            problems.equal(f"{module} {name}, {parameter['type']}", parameter["value"], wanted)
