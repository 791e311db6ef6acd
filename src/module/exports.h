/*
 * exports.h - what the files that read export tables share.
 */
#ifndef LKMFS_MODULE_EXPORTS_H
#define LKMFS_MODULE_EXPORTS_H

#include "module/modules.h"

struct lkmfs_exports {
    struct arena arena;
    struct lkmfs_export *items; /* ascending by address */
    size_t count, capacity;
    uint32_t *by_name; /* open addressing, index + 1, 0 for free */
    size_t mask;
    uint64_t seed;
    uint64_t strings_left; /* bytes of names that may still be read */
    bool failed;
};

/* One __ksymtab with what belongs to it. */
struct export_table {
    uint64_t symbols, crcs, flags; /* addresses; 0 if none */
    uint64_t count;
    size_t module;
    bool gpl;
};

/* Bytes of one entry of a __ksymtab of this kernel; 0 when that is not known. */
uint64_t export_entry_size(const struct lkmfs_types *types);

/* Adds the entries of `table`, but for those whose names are gone. Sets exports->failed without memory. */
void export_table_read(const struct lkmfs_modules *modules, struct lkmfs_exports *exports,
                       const struct export_table *table);

#endif
