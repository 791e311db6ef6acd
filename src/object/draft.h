/*
 * draft.h - an object under construction: sections, symbols and relocations by reference, before they get numbers.
 *
 * The steps of building (object.c) each add to the draft or correct it: layout.c the sections, symtab.c the symbols,
 * x86_64/ undoes run-time patches and adds relocations, numbers.c orders the headers, elf_writer.c writes the file.
 */
#ifndef LKMFS_OBJECT_DRAFT_H
#define LKMFS_OBJECT_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/module.h"
#include "lkmfs/object.h"

/* No section, no symbol. */
#define DRAFT_NONE UINT32_MAX

enum draft_target_kind {
    DRAFT_TARGET_SECTION, /* the section symbol of sections[index] */
    DRAFT_TARGET_SYMBOL,  /* symbols[index], defined in the module */
    DRAFT_TARGET_IMPORT,  /* imports[index], undefined */
};

struct draft_target {
    enum draft_target_kind kind;
    uint32_t index;
    int64_t addend;
};

struct draft_relocation {
    uint64_t offset; /* from the start of the section that is relocated */
    uint32_t type;   /* R_X86_64_* */
    struct draft_target target;
    enum lkmfs_provenance from;
};

struct draft_section {
    const char *name; /* owned by the module or a constant */
    uint64_t address; /* run-time address, 0 if it has none */
    uint64_t size;
    uint32_t type;  /* SHT_* */
    uint64_t flags; /* SHF_* */
    uint64_t align;
    uint64_t entsize;
    uint32_t entry; /* bytes of an entry of a table that the machine step knows, 0 for other sections */
    uint32_t link;  /* index into the draft's sections (sh_link), DRAFT_NONE if none */
    uint32_t info;
    uint8_t *data;           /* `size` bytes, owned by the draft; NULL for SHT_NOBITS */
    bool in_memory;          /* its bytes were in a live region: false for freed init sections and made-up ones */
    bool left_out;           /* not written to the file */
    bool has_rela;           /* a .rela header belongs to it in the original, whether or not entries were found */
    int region;              /* index into the module's regions, -1 if none */
    uint32_t original_index; /* section header index in the original file; DRAFT_NONE while unknown */

    struct draft_relocation *relocations;
    size_t relocation_count, relocation_capacity;

    enum lkmfs_provenance size_from, header_from, index_from, data_from;
    const char *size_rule;
    uint64_t restored_bytes;
    size_t restored_sites;
    struct lkmfs_byte_range *missing;
    size_t missing_count;
};

struct draft_symbol {
    const char *name; /* owned by the module or the draft's string pool */
    uint32_t section; /* index into sections; DRAFT_NONE for SHN_ABS */
    uint64_t value;   /* from the start of the section */
    uint64_t size;
    uint8_t info, other;
    bool gone; /* what it names is not written: it stays only where a relocation names it */
    enum lkmfs_provenance from;
};

/* An undefined symbol. */
struct draft_import {
    const char *name; /* owned by the kernel, the exports or the draft's string pool */
    bool weak;
    bool inferred; /* no kept code uses it: counterparts.c */
};

/* The bytes of one of the module's regions, as in memory. */
struct draft_region {
    uint8_t *bytes; /* `size` bytes, owned by the draft; unreadable ones are zero */
    uint64_t size;
    struct lkmfs_byte_range *missing; /* unreadable runs, offsets from the start of the region, ascending */
    size_t missing_count, missing_capacity;
};

struct draft {
    const struct lkmfs_builder *builder;
    const struct lkmfs_module *module;
    enum lkmfs_object_kind kind;
    unsigned word; /* bytes of a machine word: 8 makes an ELF64 file, 4 an ELF32 one */

    struct draft_region *regions; /* one for each of the module's regions */

    struct draft_section *sections; /* in the order of sect_attrs first; numbers.c gives the file's order */
    size_t section_count, section_capacity;
    struct draft_symbol *symbols; /* in the original .symtab's order, null symbol left out; locals before globals */
    size_t symbol_count, symbol_capacity;
    struct draft_import *imports;
    size_t import_count, import_capacity;
    uint32_t *import_slots; /* hash table of indexes into imports, plus one; 0 is a free slot */
    size_t import_slot_count;

    const char **doubts; /* owned lines */
    size_t doubt_count, doubt_capacity;
    struct lkmfs_reading *readings;
    size_t reading_count, reading_capacity;
    char **pool; /* strings made while drafting */
    size_t pool_count, pool_capacity;
    bool out_of_memory; /* set by any add that failed; checked once at the end of each step */
};

/* Frees all that the draft owns, not the draft itself; safe on a zeroed one. */
void draft_clear(struct draft *draft);

/* Frees the bytes of the regions, once nothing looks at them any more. */
void draft_drop_regions(struct draft *draft);

/* Index of the section called `name`, DRAFT_NONE if there is none. */
uint32_t draft_find_section(const struct draft *draft, const char *name);

/* Appends a zeroed section (index fields DRAFT_NONE) and returns it; NULL (and out_of_memory) without memory. Pointers
 * to sections are void after another one is added. */
struct draft_section *draft_add_section(struct draft *draft, const char *name);

/* Appends a relocation to section `index`; they are sorted by offset when the file is written. */
void draft_add_relocation(struct draft *draft, uint32_t index, uint64_t offset, uint32_t type,
                          struct draft_target target, enum lkmfs_provenance from);

void draft_add_symbol(struct draft *draft, const struct draft_symbol *symbol);

/* Index of the import called `name`, added at its first use; DRAFT_NONE without memory. O(1) on average. */
uint32_t draft_import(struct draft *draft, const char *name);

/*
 * Removes the symbols and imports that are not selected and renumbers all references; relocations that name something
 * removed, or a section that is left out, go too.
 */
void draft_keep(struct draft *draft, const bool *symbols, const bool *imports);

/* Adds what a place may have held; no more than a module can need are kept. */
void draft_add_reading(struct draft *draft, const struct lkmfs_reading *reading);

/* Adds one line to the object's doubts. */
void draft_doubt(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Formats a string that lives as long as the draft; "" without memory. */
const char *draft_string(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
