/*
 * kallsyms.h - where the kallsyms tables lie in a piece of kernel memory.
 *
 * The tables changed order and encoding over time; scripts/kallsyms.c of each release wrote them:
 *   4.6-6.1        offsets, relative_base, num_syms, names, markers, token_table, token_index
 *   6.2-6.3, 6.1.y the same with seqs_of_names after markers
 *   6.4-6.19       num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names
 *   7.0+           the same without relative_base: every offset is relative to its own place
 * Before 4.6, and later where !KALLSYMS_BASE_RELATIVE, addresses (words) stand in place of offsets and relative_base.
 */
#ifndef LKMFS_KERNEL_KALLSYMS_H
#define LKMFS_KERNEL_KALLSYMS_H

#include "kernel/symbols.h"

struct kallsyms_tables {
    size_t token_table; /* offsets into the segment */
    size_t token_index;
    size_t markers;
    size_t names;
    size_t num_syms; /* offset of the number */
    uint32_t count;  /* the number itself */
    uint32_t torn;   /* blocks of 256 names that do not lead from their marker to the next: their names are lost */
    unsigned wide;   /* bytes of num_syms and a marker: 4 since 4.20, 8 before */
    bool long_names; /* lengths above 127 take two bytes: since 6.1 */
};

struct kallsyms_search {
    const struct segment *segment;
    size_t from;   /* offset to look at next */
    uint64_t work; /* words and names that may still be looked at: a forged segment could keep us busy for days */
};

struct kallsyms_search kallsyms_search_begin(const struct segment *segment);

/*
 * Finds the next tables. Proven by walking all names to land on the markers; where pages are missing or torn, some
 * markers are missed (tables.torn). False when there are no more.
 */
bool kallsyms_find(struct kallsyms_search *search, struct kallsyms_tables *ret);

/* A walk over all names, in order. */
struct kallsyms_walk {
    const struct segment *segment;
    const struct kallsyms_tables *tables;
    size_t pos;     /* of the next name */
    uint32_t index; /* of the next name */
    bool torn;      /* the block it is in */
};

struct kallsyms_walk kallsyms_walk_begin(const struct segment *segment, const struct kallsyms_tables *tables);

/* The tokens of the next name, in the segment, and how many they are: 0 when the name is lost. */
const uint8_t *kallsyms_walk_next(struct kallsyms_walk *walk, size_t *length);

#endif
