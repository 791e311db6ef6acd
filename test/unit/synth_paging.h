/*
 * synth_paging.h - x86_64 page tables, written into synthetic memory.
 */
#ifndef LKMFS_TEST_SYNTH_PAGING_H
#define LKMFS_TEST_SYNTH_PAGING_H

#include "synth.h"

/* Bits of an entry, as Intel SDM volume 3, 4.5 has them; besides present, accessed and dirty, which are always set. */
#define SYNTH_WRITE (UINT64_C(1) << 1)
#define SYNTH_USER  (UINT64_C(1) << 2)
#define SYNTH_NX    (UINT64_C(1) << 63)

#define SYNTH_4K (UINT64_C(1) << 12)
#define SYNTH_2M (UINT64_C(1) << 21)
#define SYNTH_1G (UINT64_C(1) << 30)

struct synth_tables {
    struct synth_memory *memory;
    unsigned levels;    /* 4 or 5 */
    uint64_t root;      /* physical address of the top-level table */
    uint64_t next, end; /* free pages for tables */
};

/* The root is the first page of [start, end), and all tables come out of it. */
void synth_tables_init(struct synth_tables *tables, struct synth_memory *memory, unsigned levels, uint64_t start,
                       uint64_t end);

/* Maps one leaf of 4 KiB, 2 MiB or 1 GiB. */
void synth_map(struct synth_tables *tables, uint64_t virt, uint64_t phys, uint64_t leaf, uint64_t flags);
/* Maps `size` bytes with leaves of one size. */
void synth_map_range(struct synth_tables *tables, uint64_t virt, uint64_t phys, uint64_t size, uint64_t leaf,
                     uint64_t flags);

/* Physical address of the entry for `virt` in the table of `level`: 1 holds 4 KiB leaves, `levels` is the root. */
uint64_t synth_entry(struct synth_tables *tables, uint64_t virt, unsigned level);

#endif
