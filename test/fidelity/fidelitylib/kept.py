"""What the kernel keeps of a module's file once its init function has run: only that can be compared."""

from __future__ import annotations

from .elf import Elf, Section

# The loader frees, drops or moves these (SHF_ALLOC all the same).
FREED_PREFIXES = (".init", ".rela", ".rel.", ".data..percpu")
FREED_NAMES = frozenset((".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names",
                         ".symtab", ".strtab", ".shstrtab"))

# Tables that the loader sorts, and the bytes of an entry: their order on disk is not in memory, so they are compared
# as bags of entries as well.
SORTED_TABLES = {".orc_unwind_ip": 4, ".orc_unwind": 6, "__ex_table": 12, "__mcount_loc": 8, "__jump_table": 16,
                 ".static_call_sites": 8}


def is_kept(section: Section) -> bool:
    """Whether the kernel keeps `section` as it was loaded."""
    return (section.alloc and section.size > 0 and not section.name.startswith(FREED_PREFIXES)
            and section.name not in FREED_NAMES)


def kept_sections(elf: Elf) -> list[Section]:
    """The kept sections of `elf`, in file order."""
    return [section for section in elf.sections if is_kept(section)]
