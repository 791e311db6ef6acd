"""Whether two extractions of a module are the same where nothing has run: code and relocations."""

from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection


def _facts(path: Path) -> dict[str, object]:
    """Code by section name, and relocations of read-only sections with their targets in words."""
    facts: dict[str, object] = {}
    with path.open("rb") as stream:
        elf = ELFFile(stream)
        for section in elf.iter_sections():
            writable = section["sh_flags"] & SH_FLAGS.SHF_WRITE
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_type"] == "SHT_PROGBITS":
                facts[section.name] = section.data()
            if isinstance(section, RelocationSection):
                target = elf.get_section(section["sh_info"])
                if not target["sh_flags"] & SH_FLAGS.SHF_WRITE and not writable:
                    facts[section.name] = _relocations(elf, section)
    return facts


def _relocations(elf: ELFFile, section: RelocationSection) -> list[tuple[int, int, str, int]]:
    symbols = elf.get_section(section["sh_link"])
    assert isinstance(symbols, SymbolTableSection)
    found = []
    for entry in section.iter_relocations():
        symbol = symbols.get_symbol(entry["r_info_sym"])
        index = symbol["st_shndx"]
        where = symbol.name if isinstance(index, str) else elf.get_section(index).name
        offset = 0 if isinstance(index, str) else symbol["st_value"]
        found.append((entry["r_offset"], entry["r_info_type"], where, offset + entry["r_addend"]))
    return sorted(found)


def folders(first: Path, second: Path, modules: list[str]) -> list[str]:
    """The differences between two folders of rebuilt modules, a line a section."""
    failures = []
    for module in modules:
        one, other = first / f"{module}.ko", second / f"{module}.ko"
        if not other.exists():
            failures.append(f"{module}: not in the second dump")
            continue
        a, b = _facts(one), _facts(other)
        failures += [f"{module}: {name} differs in the second dump" for name in sorted(a.keys() | b.keys())
                     if a.get(name) != b.get(name)]
    return failures
