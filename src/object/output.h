/*
 * output.h - the finished draft as an ELF file: the two shapes it can take.
 */
#ifndef LKMFS_OBJECT_OUTPUT_H
#define LKMFS_OBJECT_OUTPUT_H

#include "object/draft.h"

/* The file's bytes, and where each drafted section went. */
struct output {
    uint8_t *bytes; /* malloc'd */
    size_t size;
    uint32_t *indexes; /* header index of each drafted section, 0 for those left out; malloc'd */
};

/* relocatable.c: ET_REL, the `count` sections of `order`, each directly followed by its relocations. Errors: NO_MEMORY,
 * DAMAGED. */
bool output_relocatable(struct draft *draft, const uint32_t *order, size_t count, uint16_t machine, struct output *ret,
                        struct lkmfs_error *err);

/*
 * loaded.c: ET_EXEC at run-time addresses, one PT_LOAD for each region with its bytes exactly as in memory. Sections
 * that are no more (init) or have no address of their own (per-CPU templates) are left out. Errors: NO_MEMORY, DAMAGED.
 */
bool output_loaded(struct draft *draft, const uint32_t *order, uint16_t machine, struct output *ret,
                   struct lkmfs_error *err);

#endif
