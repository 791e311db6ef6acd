/*
 * patches.h - the machine-dependent step: what a kernel of one machine does to a module while and after loading it,
 * undone. One implementation a machine (x86_64/).
 */
#ifndef LKMFS_OBJECT_PATCHES_H
#define LKMFS_OBJECT_PATCHES_H

#include "object/draft.h"

/* Tables of the kernel that the rules need, gathered once for all modules. */
struct machine_context;

struct machine {
    const char *name;
    uint16_t elf_machine; /* EM_* */
    /* Gathers what all modules share; NULL without memory. */
    struct machine_context *(*context_new)(const struct lkmfs_modules *modules, const struct lkmfs_exports *exports,
                                           struct lkmfs_log *log);
    void (*context_free)(struct machine_context *context);
    /*
     * Called when all sections (with their bytes as in memory) and symbols are drafted. Undoes run-time patches in the
     * sections' data, zeroes relocated fields, adds relocations and imports. Sets out_of_memory at worst: what can't be
     * undone stays and becomes a doubt.
     */
    void (*restore)(const struct machine_context *context, struct draft *draft);
};

extern const struct machine machine_x86_64;

#endif
