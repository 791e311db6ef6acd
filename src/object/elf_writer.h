/*
 * elf_writer.h - writes little-endian ELF files, 64 and 32 bits, out of sections and segments whose bytes are there.
 *
 * Knows nothing of modules. Offsets and sizes are computed here and overflow-checked; nothing is checked for sense.
 */
#ifndef LKMFS_OBJECT_ELF_WRITER_H
#define LKMFS_OBJECT_ELF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"

/* No file is made larger than this. */
#define ELF_FILE_LIMIT (UINT64_C(512) << 20)

struct elf_section {
    const char *name;
    uint32_t type;
    uint64_t flags, address, size;
    uint32_t link, info;
    uint64_t align, entsize;
    const uint8_t *data; /* `size` bytes; unused for SHT_NOBITS and sections of a segment */
    bool late;           /* its bytes follow those of all others, as `ld -r` places relocations */
    int segment;         /* index of the segment that holds its bytes; -1: they lie on their own */
    uint64_t segment_offset;
};

/* A PT_LOAD: bytes at a run-time address. */
struct elf_segment {
    uint64_t address, size;
    uint32_t flags; /* PF_* */
    const uint8_t *data;
};

struct elf_file {
    unsigned word; /* 8: ELFCLASS64, 4: ELFCLASS32 */
    uint16_t type; /* ET_REL or ET_EXEC */
    uint16_t machine;
    uint64_t entry;
    const struct elf_section *sections; /* without the null header and .shstrtab: sections[i] gets index i + 1 */
    size_t section_count;
    const struct elf_segment *segments;
    size_t segment_count;
};

/* Makes the file; *ret is malloc'd, for the caller to free. Errors: NO_MEMORY, DAMAGED (too large). */
bool elf_write(const struct elf_file *file, uint8_t **ret, size_t *ret_size, struct lkmfs_error *err);

/* ---- tables inside sections ---- */

struct elf_symbol {
    uint32_t name; /* offset in the string table */
    uint8_t info, other;
    uint16_t section;
    uint64_t value, size;
};

struct elf_rela {
    uint64_t offset;
    uint32_t symbol, type;
    int64_t addend;
};

/* Bytes of one entry for a machine word of `word` bytes. */
size_t elf_symbol_size(unsigned word);
size_t elf_rela_size(unsigned word);
void elf_put_symbol(unsigned word, uint8_t *at, const struct elf_symbol *symbol);
void elf_put_rela(unsigned word, uint8_t *at, const struct elf_rela *rela);

/* A string table under construction; [0] is the empty string. */
struct elf_strings {
    uint8_t *bytes;
    size_t size, capacity;
};

/* Offset of `text`, appended; "" is 0. False without memory or beyond 4 GiB. */
bool elf_strings_add(struct elf_strings *strings, const char *text, uint32_t *ret);
void elf_strings_free(struct elf_strings *strings);

#endif
