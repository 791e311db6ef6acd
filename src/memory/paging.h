/*
 * paging.h - page tables of one machine: what a walker must give so that space.c can do the rest.
 */
#ifndef LKMFS_MEMORY_PAGING_H
#define LKMFS_MEMORY_PAGING_H

#include "lkmfs/memory.h"

struct paging {
    const char *name;
    /*
     * Finds the leaf that maps `virt`. On failure *next is the lowest address above `virt` that might be mapped, or 0
     * when there is none. Entries are read through space_table_entry().
     */
    bool (*translate)(const struct lkmfs_space *space, uint64_t virt, struct lkmfs_mapping *ret, uint64_t *next);
    /*
     * Finds the table `depth` levels below the root, at least 1, on the way to `virt`. False when there is none: not
     * mapped, or by a larger leaf. *next is the lowest address above `virt` that may have another, or 0.
     */
    bool (*table)(const struct lkmfs_space *space, uint64_t virt, unsigned depth, uint64_t *phys, uint64_t *next);
    unsigned levels; /* of tables, the root's included */
};

/* Reads the 8-byte entry at physical address `phys` of a page table, through the space's cache; 0 when unreadable. */
uint64_t space_table_entry(const struct lkmfs_space *space, uint64_t phys);

/* How the tables of a space are laid out. */
const struct paging *space_paging(const struct lkmfs_space *space);

extern const struct paging paging_x86_64_4level;
extern const struct paging paging_x86_64_5level;

#endif
