/*
 * data.h - what is a pointer that the linker wrote, and what the kernel put there at run time (RECONSTRUCT.md section
 * 6).
 */
#ifndef LKMFS_OBJECT_X86_64_DATA_H
#define LKMFS_OBJECT_X86_64_DATA_H

#include "object/x86_64/restore.h"

/* What an aligned word of a writable section is known to have been on disk. */
enum word_fate {
    WORD_OPEN,      /* its value decides */
    WORD_ZERO,      /* run time: 0 */
    WORD_SELF,      /* next pointer of an empty list head: the slot itself */
    WORD_SELF_PREV, /* prev pointer of one: the slot before */
};

/* Decides the words at `offset` and `offset` + 8 when a list node lies there (lists.c). */
bool list_fate(struct restore *r, const struct draft_section *section, uint64_t offset, enum word_fate fate[2]);

/* Whether the words at `offset` and `offset` + 8 are the bus and owner of a registered driver (drivers.c): run time. */
bool driver_fate(const struct restore *r, const struct draft_section *section, uint64_t offset);
/* Whether the word at `offset`, behind these two, is what registration was told the module is called: run time. */
bool driver_module_fate(const struct restore *r, const struct draft_section *section, uint64_t offset);
/* Whether the word at `offset` is the name of one, and a copy. */
bool driver_name_fate(const struct restore *r, const struct draft_section *section, uint64_t offset);

/* Whether a registered driver lies in `object` of `section`, by memory as it was before anything was restored. */
bool is_registered_driver(const struct restore *r, const struct draft_section *section,
                          const struct draft_symbol *object);

/* ata.c: brings tables of operations back to before libata filled in what they inherit; pointers stay addresses. */
void restore_ata_ops(struct restore *r);

/* The word at `offset` of section `index` was `value` on disk, not what the kernel wrote there. */
void write_word(struct restore *r, uint32_t index, uint64_t offset, uint64_t value);

/* The object around offset `offset` of section `index`, NULL if no symbol covers it. */
const struct draft_symbol *object_around(const struct restore *r, uint32_t index, uint64_t offset);

#endif
