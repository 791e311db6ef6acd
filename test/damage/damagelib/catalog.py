"""Every kind of damage, as endless streams that take all places in turn, or fair samples of them."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .kernel import Kernel
from .patient import PAGE, Damage, Original, Piece, Write

MIB = 1 << 20
POINTER = 0xFF00_0000_0000_0000     # what is not below can be one
POINTED = 12                        # words that are spoiled behind a pointer
UNMAPPED = 0xFFFF_FFFF_FFEF_F000    # below the fixmap; nothing is ever there
FORWARD, BACKWARD = 0, 8            # in a list_head


@dataclass
class Subject:
    """What damage is made of: a sound image, another one for its kernel, chance."""

    kernel: Kernel
    other: Kernel
    random: random.Random
    names: list[str]    # of the modules that are extracted, and so worth damaging

    @property
    def original(self) -> Original:
        """The image."""
        return self.kernel.original


Stream = Iterator[Damage]


class Kind(NamedTuple):
    """A kind of damage and how much of a run it takes."""

    name: str
    make: Callable[[Subject], Stream]
    share: int


def _chosen_modules(subject: Subject) -> Iterator[tuple[str, int]]:
    """Modules' names and the addresses of their structs, in turn, without end."""
    modules = [module for module in subject.kernel.modules if module["file"] in subject.names]
    for start in itertools.count(subject.random.randrange(len(modules)), 7):
        module = modules[start % len(modules)]
        yield module["file"], int(subject.kernel.info(module["file"])["struct_module"], 16)


def _pages_of_kernel(subject: Subject) -> list[int]:
    """Offsets of the pages that lkmfs has most to do with: the kernel's image and the modules'."""
    kernel = subject.kernel
    pages = kernel.run_of(kernel.text, kernel.end - kernel.text)
    for module in kernel.modules:
        pages += kernel.run_of(int(module["base"], 16), module["size"])
    return pages


def bits(subject: Subject) -> Stream:
    """1, 100 and 10,000 flipped bits, in the whole image and in the kernel."""
    places = {"anywhere": subject.original.pages, "in the kernel": _pages_of_kernel(subject)}
    for number in itertools.count():
        for (where, pages), count in itertools.product(places.items(), (1, 100, 10000)):
            writes = {}
            for _ in range(count):
                at = subject.random.choice(pages) + subject.random.randrange(PAGE)
                if at < subject.original.size:
                    writes[at] = Write(at, bytes([subject.original.number(at, 1) ^ 1 << subject.random.randrange(8)]))
            yield Damage("flipped bits", f"{number}/{count} {where}", tuple(writes.values()))


def _portions(subject: Subject) -> Iterator[tuple[str, list[int]]]:
    places = {"anywhere": subject.original.pages, "in the kernel": _pages_of_kernel(subject)}
    for number in itertools.count():
        for (where, pages), percent in itertools.product(places.items(), (1, 2, 5, 10, 20)):
            count = max(2, len(pages) * percent // 100)
            yield f"{number}/{percent}% {where}", subject.random.sample(pages, count)


def zeroed(subject: Subject) -> Stream:
    """1 to 20 % of the pages are zeros."""
    zeros = bytes(PAGE)
    for name, pages in _portions(subject):
        yield Damage("zeroed pages", name, tuple(Write(page, zeros) for page in pages))


def swapped(subject: Subject) -> Stream:
    """1 to 20 % of the pages are others, as of a torn acquisition."""
    original = subject.original
    for name, pages in _portions(subject):
        turned = pages[1:] + pages[:1]
        yield Damage("swapped pages", name,
                     tuple(Write(page, Piece(original, other, PAGE)) for page, other in zip(pages, turned)))


def cut(subject: Subject) -> Stream:
    """The file ends early: at every MiB, or at every page of a small one."""
    size = subject.original.size
    step = MIB if size > 64 * MIB else PAGE
    while True:
        for end in range((size - 1) // step * step, 0, -step):
            yield Damage("cut file", f"at {end:#x}", size=end, tells_losses=True)


def _values(subject: Subject, virtual: int, width: int, old: int) -> list[tuple[str, int]]:
    """What an attacker or chance puts into a field."""
    kernel, limit = subject.kernel, (1 << 8 * width) - 1
    wrong = [("0", 0), ("1", 1), ("all ones", limit), ("half", limit >> 1), ("sign", limit // 2 + 1), ("one more", old + 1),
             ("one less", old - 1), ("twice", old * 2), ("a bit", old ^ 1 << subject.random.randrange(8 * width)),
             ("16 bits", 0xFFFF), ("a million", 1_000_000), ("32 bits", 0xFFFF_FFFF)]
    if width == 8:
        wrong += [("itself", virtual), ("unmapped", UNMAPPED), ("not canonical", 0x0000_8000_0000_0000),
                  ("low", 0x1000), ("text", kernel.text), ("end of page", (old | PAGE - 1) - 1), ("misaligned", old ^ 3),
                  ("module list", kernel.symbols["modules"]), ("end of memory", 0xFFFF_FFFF_FFFF_FFF8)]
    return [(name, value & limit) for name, value in wrong if value & limit != old]


def _poke(subject: Subject, kind: str, name: str, virtual: int, width: int, turn: int) -> Damage | None:
    """One of the wrong values for a field of the kernel; None when the field is not in the image."""
    at = subject.kernel.offset(virtual)
    if at is None or at + width > subject.original.size:
        return None
    old = subject.original.number(at, width)
    values = _values(subject, virtual, width, old)
    how, value = values[turn % len(values)]
    return Damage(kind, f"{name}: {how}", (Write(at, value.to_bytes(width, "little")),))


def fields(subject: Subject) -> Stream:
    """Each member of struct module in turn, of one module after the other."""
    leaves = subject.kernel.leaves("module")
    subject.random.shuffle(leaves)      # a short run has a fair sample
    for turn, (module, address) in enumerate(_chosen_modules(subject)):
        for number, leaf in enumerate(leaves):
            damage = _poke(subject, "struct module", f"{module}.{leaf.path}", address + leaf.offset, leaf.size, turn + number)
            if damage:
                yield damage


def pointed(subject: Subject) -> Stream:
    """The words behind each pointer of struct module: tables of sections, symbols, parameters, exports, users."""
    leaves = [leaf for leaf in subject.kernel.leaves("module") if leaf.size == 8]
    subject.random.shuffle(leaves)
    for turn, (module, address) in enumerate(_chosen_modules(subject)):
        for number, leaf in enumerate(leaves):
            target = subject.kernel.word(address + leaf.offset)
            if target < POINTER:
                continue
            for word in range(POINTED):
                damage = _poke(subject, "behind pointers", f"{module}.{leaf.path}->{8 * word}", target + 8 * word,
                               8 if (number + word + turn) % 3 else 4, turn + number + word)
                if damage:
                    yield damage


def _lists(subject: Subject) -> list[tuple[str, int]]:
    """Names and addresses of the list_heads and tree nodes of all modules, and of the heads."""
    kernel = subject.kernel
    heads = [(name, kernel.symbols[name]) for name in ("modules", "btf_modules", "mod_tree") if name in kernel.symbols]
    nodes = [leaf for leaf in kernel.leaves("module")
             if leaf.path.endswith(("list.next", "entry.next", "rb_right", "rb_left", "__rb_parent_color"))]
    for module, address in itertools.islice(_chosen_modules(subject), min(len(subject.names), 16)):
        heads += [(f"{module}.{leaf.path}", address + leaf.offset) for leaf in nodes]
    return heads


def loops(subject: Subject) -> Stream:
    """Each list and tree bites itself, or another one."""
    kernel, nodes = subject.kernel, _lists(subject)
    while True:
        for name, address in nodes:
            at = kernel.offset(address)
            if at is None:
                continue
            _, wrong = subject.random.choice(nodes)
            back = kernel.word(address + BACKWARD) or wrong
            for how, value in (("itself", address), ("back", back), ("another", wrong)):
                yield Damage("loops", f"{name}: to {how}", (Write(at, value.to_bytes(8, "little")),))


def paging(subject: Subject) -> Stream:
    """Page-table entries of every level, on the way to what lkmfs reads."""
    kernel = subject.kernel
    while True:
        targets = [("modules", kernel.symbols["modules"]), ("types", kernel.btf_address), ("text", kernel.text)]
        targets += [(name, address) for name, address in itertools.islice(_chosen_modules(subject), 3)]
        for name, virtual in targets:
            for level, (at, entry) in enumerate(kernel.paging.entries(virtual)):
                table = at & ~(PAGE - 1)
                for how, value in (("0", 0), ("all ones", (1 << 64) - 1), ("the table itself", table | 0x63),
                                   ("the root", kernel.root & ~0xFFF | 0x63), ("a large page", entry | 0x80),
                                   ("outside the image", subject.original.size + 0x63), ("not present", entry & ~1),
                                   ("next page", entry + PAGE), ("a bit", entry ^ 1 << subject.random.randrange(64))):
                    # Instead of a spoilt root another one may be found.
                    yield Damage("page tables", f"{name}, level {level}: {how}", (Write(at, struct.pack("<Q", value)),),
                                 tells_losses=level > 0)


def kallsyms(subject: Subject) -> Stream:
    """Count, names, markers, tokens and addresses of kallsyms."""
    kernel = subject.kernel
    count_at, tokens, count = kernel.symbol_count_offset, kernel.tokens, kernel.symbol_count
    areas = {"names": (count_at + 8, tokens - 4 * (count // 256) - 64), "markers": (tokens - 4 * (count // 256), tokens),
             "tokens": (tokens, tokens + 1024), "token index": (tokens + 1024, tokens + 1536),
             "addresses": (tokens + 1536, tokens + 1536 + 4 * count), "before the count": (count_at - 4 * count, count_at)}
    while count_at > 0 and tokens > 0:
        for how, value in (("0", 0), ("1", 1), ("one more", count + 1), ("one less", count - 1), ("twice", 2 * count),
                           ("a bit", count ^ 1 << subject.random.randrange(32)), ("all ones", 0xFFFF_FFFF)):
            yield Damage("kallsyms", f"count: {how}", (Write(count_at, struct.pack("<I", value)),))
        for (area, (start, end)), size in itertools.product(areas.items(), (1, 2, 8, 64, PAGE)):
            if start < 0 or end > subject.original.size or end <= start:
                continue
            for how in ("ones", "zeros", "noise", "flip"):
                at = subject.random.randrange(start, end) & -size
                old = subject.original.read(at, size)
                new = {"ones": b"\xff" * size, "zeros": bytes(size), "noise": subject.random.randbytes(size),
                       "flip": bytes(byte ^ 1 for byte in old)}[how]
                yield Damage("kallsyms", f"{area} +{at - start:#x}: {size} bytes {how}", (Write(at, new),))


def types(subject: Subject) -> Stream:
    """BTF: its header, and numbers anywhere in it."""
    kernel = subject.kernel
    start = kernel.btf_address
    at = kernel.offset(start) or 0
    header, type_off, type_len, str_off, str_len = struct.unpack("<5I", subject.original.read(at + 4, 20))
    size = header + str_off + str_len
    for turn in itertools.count():
        for offset in range(0, header, 4):
            damage = _poke(subject, "BTF", f"header +{offset}", start + offset, 4, turn + offset)
            if damage:
                yield damage
        for number in range(48):
            in_types = number % 4 != 0
            offset = header + (type_off + subject.random.randrange(type_len) & ~3 if in_types
                               else str_off + subject.random.randrange(str_len))
            damage = _poke(subject, "BTF", f"+{min(offset, size - 4):#x}", start + min(offset, size - 4), 4, turn + number)
            if damage:
                yield damage


def globals_of_kernel(subject: Subject) -> Stream:
    """Words of the variables and tables that lkmfs asks kallsyms for."""
    kernel = subject.kernel
    wanted = ("modules", "mod_tree", "btf_modules", "linux_banner", "vmcoreinfo_data", "vermagic", "module_kset",
              "__start___ksymtab", "__stop___ksymtab", "__start___ksymtab_gpl", "__start___kcrctab", "init_top_pgt",
              "param_ops_int", "param_ops_charp", "__start_BTF")
    names = [name for name in wanted if name in kernel.symbols]
    for turn in itertools.count():
        for number, name in enumerate(names):
            for word in range(POINTED):
                damage = _poke(subject, "kernel variables", f"{name}+{8 * word}", kernel.symbols[name] + 8 * word, 8,
                               turn + number + word)
                if damage:
                    yield damage


def _copy(subject: Subject, source: Original, start: int, size: int, to: int) -> tuple[Write, ...]:
    """What puts a piece of an image into this one."""
    size = min(size, source.size - start, subject.original.size - to)
    return tuple(Write(to + at, Piece(source, start + at, min(MIB, size - at))) for at in range(0, size, MIB))


def planted(subject: Subject) -> Stream:
    """A second kernel, a second table of symbols, a second banner, types of another kernel."""
    kernel, other = subject.kernel, subject.other
    other_size, tables = other.end - other.text, kernel.symbol_count_offset
    table_size = kernel.tokens + 2048 - tables
    room = range(0, max(subject.original.size - other_size, 1), 2 * MIB)
    own = range(kernel.text_physical, kernel.text_physical + kernel.end - kernel.text)
    while True:
        to = subject.random.choice(room)
        yield Damage("planted kernels", f"at {to:#x}", _copy(subject, other.original, other.text_physical, other_size, to))
        yield Damage("planted kernels", "at its own place",
                     _copy(subject, other.original, other.text_physical, other_size, other.text_physical))
        yield Damage("planted kernels", "with its low memory", _copy(subject, other.original, 0, MIB, 0)
                     + _copy(subject, other.original, other.text_physical, other_size, other.text_physical))
        to = subject.random.randrange(own.start, own.stop, PAGE) + tables % PAGE
        yield Damage("planted tables", f"kallsyms again at {to:#x}", _copy(subject, subject.original, tables, table_size, to))
        forged = subject.original.read(tables, table_size).replace(b"mod", b"dom")
        yield Damage("planted tables", f"forged kallsyms at {to:#x}", (Write(to, forged),))
        to = subject.random.randrange(own.start, own.stop, 16)
        banner = b"Linux version 9.9.9-forged (a@b) (gcc) #1 SMP\n\0"
        yield Damage("planted tables", f"banner at {to:#x}", (Write(to, banner),))
        start = other.offset(other.btf_address) or 0
        yield Damage("planted tables", f"types of another kernel at {to:#x}",
                     _copy(subject, other.original, start, MIB // 4, to))


KINDS = (Kind("flipped bits", bits, 8), Kind("zeroed pages", zeroed, 7), Kind("swapped pages", swapped, 7),
         Kind("cut file", cut, 12), Kind("struct module", fields, 22), Kind("behind pointers", pointed, 18),
         Kind("loops", loops, 6), Kind("kernel variables", globals_of_kernel, 4), Kind("page tables", paging, 6),
         Kind("kallsyms", kallsyms, 4), Kind("BTF", types, 4), Kind("planted", planted, 2))


def damages(subject: Subject, count: int) -> Iterator[Damage]:
    """About `count` of all kinds; the cut ones last, the file ever shorter."""
    total = sum(kind.share for kind in KINDS)
    for kind in sorted(KINDS, key=lambda kind: kind.make is cut):
        quota = max(1, count * kind.share // total)
        stream = kind.make(subject)
        if kind.make is cut:
            size = subject.original.size
            step = MIB if size > 64 * MIB else PAGE
            ends = (size - 1) // step
            stream = itertools.islice(stream, 0, ends, max(1, -(-ends // quota)))
        yield from itertools.islice(stream, quota)
