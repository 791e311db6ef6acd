"""What Ghidra's ELF loader asks of an ET_REL file of x86_64, and where it goes wrong without a word.

Named after its sources: ElfProgramBuilder, ElfLoadAdapter, ElfLoaderOptionsFactory, X86_64_ElfRelocationHandler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fidelitylib.elf import (ET_REL, SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, SHT_NOBITS, SHT_NULL, SHT_SYMTAB,
                             STB_LOCAL, STT_FILE, STT_FUNC, STT_SECTION, Elf, Symbol)

R_X86_64_64 = 1
HANDLED = {1, 2, 4, 10, 11, 24}     # 64, PC32, PLT32, 32, 32S, PC64: other types become error bookmarks
WIDTHS = {1: 8, 2: 4, 4: 4, 10: 4, 11: 4, 24: 8}
CODE = (".text", ".exit.text", ".init.text", ".noinstr.text")
DATA = (".data", ".bss")


def findings(elf: Elf) -> Counter[str]:
    """Each broken rule with how often; nothing when Ghidra opens the file as it was meant."""
    if elf.type != ET_REL:
        return Counter({"not ET_REL": 1})
    return Counter([*_sections(elf), *_symbols(elf), *_relocations(elf)])


def _sections(elf: Elf) -> Iterator[str]:
    """ElfProgramBuilder.processSectionHeaders; ElfLoadAdapter: an address is added to the image base."""
    if elf.phnum:
        yield "program headers in an ET_REL file"
    for section in elf.sections:
        if section.alloc and section.addr:
            yield f"{section.name}: address {section.addr:#x} in an ET_REL file"
        if section.type not in (SHT_NOBITS, SHT_NULL) and section.offset + section.size > len(elf.data):
            yield f"{section.name}: lies past the end of the file"
        if section.alloc and section.size and section.align & (section.align - 1):
            yield f"{section.name}: alignment {section.align} is no power of 2"
        if section.alloc and section.size and section.offset % max(1, section.align) and section.type != SHT_NOBITS:
            yield f"{section.name}: file offset is not aligned"
        if section.name.startswith(CODE) and not section.executable and section.type != SHT_NOBITS:
            yield f"{section.name}: code that is not executable is not disassembled"
        if section.name in DATA and section.size and not section.writable:
            yield f"{section.name}: data that is read-only"
        if section.writable and section.executable:
            yield f"{section.name}: writable code"


def _symbols(elf: Elf) -> Iterator[str]:
    """ElfProgramBuilder.processSymbols; ElfLoadAdapter: a value is an offset into its section."""
    tables = [section for section in elf.sections if section.type == SHT_SYMTAB]
    if len(tables) != 1:
        yield f"{len(tables)} symbol tables"
        return
    locals_end = sum(symbol.bind == STB_LOCAL for symbol in elf.symbols)
    if tables[0].info != locals_end:
        yield f"sh_info of the symbol table is {tables[0].info}, not {locals_end}"
    if any(symbol.bind != STB_LOCAL for symbol in elf.symbols[:locals_end]):
        yield "global symbols before local ones"
    for symbol in elf.symbols[1:]:
        yield from _symbol(elf, symbol)


def _symbol(elf: Elf, symbol: Symbol) -> Iterator[str]:
    name = symbol.name or "(no name)"
    if symbol.shndx == SHN_UNDEF:
        if symbol.bind == STB_LOCAL or not symbol.name:
            yield f"{name}: undefined, but local or without a name"
        if symbol.value:
            yield f"{name}: undefined, but with a value"
    elif symbol.shndx in (SHN_ABS, SHN_COMMON):
        if symbol.shndx == SHN_ABS and symbol.type != STT_FILE and symbol.value >= 1 << 47:
            yield f"{name}: absolute at an address of the kernel"
    elif symbol.shndx >= SHN_LORESERVE or symbol.shndx >= len(elf.sections):
        yield f"{name}: section index {symbol.shndx:#x} is reserved or past the last section"
    else:
        section = elf.sections[symbol.shndx]
        if symbol.value > section.size:
            yield f"{name}: value {symbol.value:#x} lies outside {section.name} of {section.size:#x} bytes"
        if symbol.type == STT_FUNC and not section.executable and section.type != SHT_NOBITS:
            yield f"{name}: function in {section.name}, which is not executable"
        if symbol.type == STT_SECTION and symbol.value:
            yield f"{name}: section symbol with a value"


def _relocations(elf: Elf) -> Iterator[str]:
    """ElfProgramBuilder.processRelocationTable; X86_64_ElfRelocationHandler."""
    symtab = next((section.index for section in elf.sections if section.type == SHT_SYMTAB), 0)
    for table in elf.relocation_tables():
        if table.link != symtab:
            yield f"{table.name}: sh_link is not the symbol table"
        target = elf.sections[table.info]
        if table.name != f".rela{target.name}":
            yield f"{table.name}: relocates {target.name}"
        for offset, kind, index, addend in elf.relocations(table):
            if index >= len(elf.symbols):
                yield f"{table.name}: symbol {index} of {len(elf.symbols)}"
            elif kind not in HANDLED:
                yield f"{table.name}: type {kind} is not handled"
            elif offset + WIDTHS[kind] > target.size:
                yield f"{table.name}: offset {offset:#x} lies outside {target.name}"
            elif kind == R_X86_64_64 and addend and elf.symbols[index].type != STT_SECTION:
                yield f"{table.name}: R_X86_64_64 with an addend to a named symbol"
