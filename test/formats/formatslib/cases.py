"""What is tried: a name, and what to write and check in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from formatslib import avml, codecs, damage, elf, growth, kdump, pages, qemu, remote, vmware, xen
from formatslib.check import Case, Checker, Failure, Skip
from formatslib.memory import Memory


def written(memory: Memory, name: str, container: str, write: Callable[[Memory, Path], object]) -> Case:
    """A case that writes one file and reads it."""
    def check(checker: Checker, folder: Path) -> None:
        path = folder / name
        write(memory, path)
        checker.same(path, container)
    return name, check


def kdump_case(memory: Memory, codec: str, version: int, **options: object) -> Case:
    """A kdump of our own, compared page by page, too."""
    name = f"kdump-{codec}-v{version}" + "".join(f"-{key}" for key in options)

    def check(checker: Checker, folder: Path) -> None:
        if codec != "none" and codec not in codecs.AVAILABLE:
            raise Skip(f"no library for {codec}")
        given = dict(options)
        flat = bool(given.pop("flat", False))
        parts = kdump.writes(memory, codec, codecs.AVAILABLE.get(codec), version=version, **given)
        (kdump.write_flat if flat else kdump.write)(parts, folder / name)
        checker.same(folder / name, "kdump")
        pages.all_as_written(checker, memory, folder / name, whole=True)
    return name, check


def kernel_of(checker: Checker, memory: Memory) -> elf.Kernel:
    """The kernel's addresses, as lkmfs itself finds them."""
    return elf.Kernel(memory, checker.output("cat", checker.raw, "kernel/vmcoreinfo"),
                      checker.output("cat", checker.raw, "kernel/kallsyms"))


def makedumpfile(checker: Checker, memory: Memory, folder: Path, options: list[str], names: list[str]) -> list[Path]:
    """Makes dumps with the real makedumpfile of an ELF core."""
    if not shutil.which("makedumpfile"):
        raise Skip("makedumpfile is not installed")
    elf.write(memory, kernel_of(checker, memory), folder / "vmcore")
    out = [folder / name for name in names]
    command = ["makedumpfile", "--message-level=1", *options, str(folder / "vmcore")]
    flat = "-F" in options
    with out[0].open("wb") if flat else open(os.devnull, "wb") as file:
        made = subprocess.run([*command, *([] if flat else map(str, out))], stdout=file, stderr=subprocess.PIPE, check=False)
    if made.returncode:
        raise Failure(f"makedumpfile: exit code {made.returncode}: {made.stderr[-200:].decode(errors='replace')}")
    return out


def makedumpfile_case(memory: Memory, name: str, container: str, *options: str) -> Case:
    """A dump of the real makedumpfile; every page is compared with what was dumped and with what libkdumpfile reads."""
    def check(checker: Checker, folder: Path) -> None:
        (dump,) = makedumpfile(checker, memory, folder, list(options), ["dump"])
        checker.same(dump, container)
        pages.all_as_written(checker, memory, dump, whole=False)
        if container == "kdump" and "-F" not in options:    # libkdumpfile 0.5.1 does not read the flattened form
            pages.as_kdumpfile(checker, memory, dump, zeros=True)
    return name, check


def makedumpfile_split(memory: Memory) -> Case:
    """Several files of makedumpfile --split, whichever is given, and without one."""
    def check(checker: Checker, folder: Path) -> None:
        options = ["--split", "--splitblock-size", "16", "-c", "-d", "31"]
        parts = makedumpfile(checker, memory, folder, options, ["core1", "core2", "core3"])
        checker.same(parts[1], "kdump")
        pages.all_as_written(checker, memory, parts[2], whole=False)
        for part in parts:
            other = next(each for each in parts if each != part)
            part.rename(folder.with_suffix(".away"))
            checker.refused(other, f"{part.name}, the one with pages")
            folder.with_suffix(".away").rename(part)
    return "makedumpfile-split", check


def write_elf(checker: Checker, memory: Memory, folder: Path) -> None:
    """An ELF core."""
    elf.write(memory, kernel_of(checker, memory), folder / "vmcore")
    checker.same(folder / "vmcore", "ELF")


def write_kcore(checker: Checker, memory: Memory, folder: Path) -> None:
    """A core like /proc/kcore."""
    elf.write_kcore(memory, kernel_of(checker, memory), folder / "kcore")
    checker.same(folder / "kcore", "ELF")


def split_case(memory: Memory, names: list[str], given: int) -> Case:
    """A raw image in parts."""
    def check(checker: Checker, folder: Path) -> None:
        size = memory.size // len(names) + 1234567
        for index, name in enumerate(names):
            (folder / name).write_bytes(memory.bytes[index * size:(index + 1) * size])
        checker.same(folder / names[given], "raw")
        (folder / names[1]).unlink()
        checker.refused(folder / names[0], f"{names[1]} is missing")
    return f"split-{names[0]}", check


def vmware_cases(memory: Memory) -> list[Case]:
    """The memory beside and inside."""
    def beside(checker: Checker, folder: Path) -> None:
        vmware.write(memory, folder / "guest.vmem")
        checker.same(folder / "guest.vmem", "VMware")
        checker.same(folder / "guest.vmss", "VMware")
        (folder / "guest.vmem").rename(folder / "other.vmem")
        checker.refused(folder / "guest.vmss", ".vmem")

    def inside(checker: Checker, folder: Path) -> None:
        vmware.write_inside(memory, folder / "guest.vmsn")
        checker.same(folder / "guest.vmsn", "VMware")
    return [("vmware-vmem-vmss", beside), ("vmware-vmsn", inside)]


def libvirt_cases(memory: Memory) -> list[Case]:
    """virsh save."""
    def plain(checker: Checker, folder: Path) -> None:
        qemu.write(memory, folder / "guest.save", qemu.libvirt())
        checker.same(folder / "guest.save", "libvirt")

    def compressed(checker: Checker, folder: Path) -> None:
        (folder / "guest.save").write_bytes(qemu.libvirt(5) + b"\x28\xb5\x2f\xfd" + bytes(100))
        checker.refused(folder / "guest.save", "tail -c +4093 ")
    return [("virsh-save", plain), ("virsh-save-compressed", compressed)]


def small_records(checker: Checker, memory: Memory, folder: Path) -> None:
    """LiME in more than 30,000 records, under a name that lies."""
    avml.write_lime(memory, folder / "image.raw")
    checker.same(folder / "image.raw", "LiME")
    pages.all_as_written(checker, memory, folder / "image.raw", whole=True)


def of_qemu(checker: Checker, memory: Memory) -> None:
    """What QEMU dumped of the guest."""
    image = memory.path.with_name("image.elf")
    if not image.exists():
        raise Skip("make-images made no image.elf of this guest")
    checker.same(image, "ELF")
    pages.all_as_written(checker, memory, image, whole=True)
    pages.as_kdumpfile(checker, memory, image, zeros=False)


def all_cases(memory: Memory) -> list[Case]:
    """Every format."""
    return [
        ("lime-30000-records", lambda checker, folder: small_records(checker, memory, folder)),
        written(memory, "avml-2.lime.compressed", "AVML", avml.write),
        written(memory, "avml-mixed.raw", "LiME", lambda memory, path: avml.write(memory, path, mixed=True)),
        ("elf-qemu", lambda checker, _: of_qemu(checker, memory)),
        ("elf-vmcore", lambda checker, folder: write_elf(checker, memory, folder)),
        ("elf-kcore", lambda checker, folder: write_kcore(checker, memory, folder)),
        kdump_case(memory, "none", 1, signature=b"DISKDUMP", level=0),
        kdump_case(memory, "zlib", 2),
        kdump_case(memory, "snappy", 3, level=0),
        kdump_case(memory, "zstd", 4),
        kdump_case(memory, "lzo", 5),
        kdump_case(memory, "zstd", 6, flat=True),
        makedumpfile_case(memory, "makedumpfile-zlib-31", "kdump", "-c", "-d", "31"),
        makedumpfile_case(memory, "makedumpfile-lzo-1", "kdump", "-l", "-d", "1"),
        makedumpfile_case(memory, "makedumpfile-snappy-17", "kdump", "-p", "-d", "17"),
        makedumpfile_case(memory, "makedumpfile-zstd-31-flat", "kdump", "-z", "-d", "31", "-F"),
        makedumpfile_case(memory, "makedumpfile-elf-31", "ELF", "-E", "-d", "31"),
        makedumpfile_case(memory, "makedumpfile-elf-31-flat", "ELF", "-E", "-d", "31", "-F"),
        makedumpfile_split(memory),
        written(memory, "qemu-savevm", "QEMU savevm", qemu.write),
        *libvirt_cases(memory),
        *vmware_cases(memory),
        written(memory, "xen-core", "Xen", xen.write),
        split_case(memory, ["mem.001", "mem.002", "mem.003"], 0),
        split_case(memory, ["mem.raw.aa", "mem.raw.ab", "mem.raw.ac", "mem.raw.ad"], 2),
        *damage.cases(memory, lambda checker: kernel_of(checker, memory)),
        *growth.cases(memory),
        *remote.cases(memory),
    ]
