/*
 * elf_reader.h - reads an ELF64 little-endian relocatable file that may be hostile: every offset is checked once, here.
 */
#ifndef LKMFS_DIFF_ELF_READER_H
#define LKMFS_DIFF_ELF_READER_H

#include "base/arena.h"
#include "lkmfs/error.h"

struct elf_section {
    const char *name;
    uint32_t type, link, info;
    uint64_t flags, size, align, entsize;
    const uint8_t *data; /* `size` bytes inside the file; NULL for SHT_NOBITS */
};

struct elf_symbol {
    const char *name;
    uint64_t value, size;
    uint16_t shndx;
    uint8_t info;
};

struct elf_relocation {
    uint64_t offset;
    uint32_t type, symbol; /* symbol: index into symbols, in range */
    int64_t addend;
};

struct elf_file {
    const struct elf_section *sections;
    size_t section_count;
    const struct elf_symbol *symbols;
    size_t symbol_count;
};

/*
 * Parses the `size` bytes at `bytes`, which must outlive the result; arrays come from `arena`. `label` names the file
 * in messages. Errors: FORMAT, NO_MEMORY.
 */
bool elf_read(const uint8_t *bytes, size_t size, const char *label, struct arena *arena, struct elf_file *ret,
              struct lkmfs_error *err);

/* Index of the section called `name`, 0 (the null section) if there is none. */
size_t elf_find_section(const struct elf_file *file, const char *name);

/* Entries of the SHT_RELA section for section `target`, from `arena`; *count is 0 when it has none. */
const struct elf_relocation *elf_relocations(const struct elf_file *file, size_t target, struct arena *arena,
                                             size_t *count);

#endif
