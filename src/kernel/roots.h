/*
 * roots.h - where the kernel's top-level page table may lie: guesses, cheapest first, each for the caller to prove.
 */
#ifndef LKMFS_KERNEL_ROOTS_H
#define LKMFS_KERNEL_ROOTS_H

#include "lkmfs/kernel.h"

struct root_guess {
    enum lkmfs_paging paging;
    uint64_t root;      /* physical address of the table */
    const char *source; /* how it was found, in words; a string constant */
};

/* Returns true when the guess is proven, which ends the search. */
typedef bool root_proof_fn(void *context, const struct root_guess *guess);

/* What the full scan saw besides page tables, to explain why there is no kernel. */
struct scan_sight {
    char banner[160]; /* the first "Linux version ..." text, "" if none */
    bool windows;     /* names that only a Windows kernel holds */
};

/* Guesses that need no scan: dtb=, the real-mode trampoline, the container's hints. True when one was proven. */
bool roots_try_hints(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options, root_proof_fn *proof,
                     void *context);

/*
 * Reads the whole image for page tables that look like level3_kernel_pgt. Shows progress on standard error when it is a
 * terminal. True when one was proven.
 */
bool roots_try_scan(const struct lkmfs_image *image, root_proof_fn *proof, void *context, struct scan_sight *sight);

#endif
