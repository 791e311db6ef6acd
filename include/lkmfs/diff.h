/*
 * diff.h - what differs between a module in memory and a .ko file on disk.
 *
 * Both are compared as if loaded at the same place: relocations of either are applied to the module's run-time
 * addresses, run-time patches are undone, and tables that the loader sorts are compared in any order. What is then left
 * in read-only memory has no innocent reason.
 */
#ifndef LKMFS_DIFF_H
#define LKMFS_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lkmfs/error.h"
#include "lkmfs/object.h"

enum lkmfs_difference_kind {
    LKMFS_DIFFERENT_BYTES,   /* the same section, other contents */
    LKMFS_DIFFERENT_ENTRIES, /* a sorted table with other entries */
    LKMFS_DIFFERENT_SIZE,    /* a section of another size */
    LKMFS_ONLY_IN_MEMORY,    /* a section or symbol */
    LKMFS_ONLY_IN_FILE,
    LKMFS_DIFFERENT_SYMBOL, /* same name and section, other value or size */
};

struct lkmfs_difference {
    enum lkmfs_difference_kind kind;
    bool significant;       /* false for run-time data: writable sections of a module that ran */
    bool code;              /* the section is executable */
    const char *section;    /* its name */
    const char *symbol;     /* the symbol meant, or the one around `offset`; "" if none */
    uint64_t symbol_offset; /* from that symbol's start */
    uint64_t offset, size;  /* bytes of the section that differ */
    /* From the start of the symbol (or `offset` if none) to the section's end, as linked. NULL where one side lacks it.
     */
    const uint8_t *memory, *file;
    uint64_t available; /* bytes behind both pointers */
    uint64_t address;   /* run-time address of memory[0] */
};

struct lkmfs_diff;

/*
 * Compares `object`, built as LKMFS_OBJECT_RELOCATABLE by `builder`, with the .ko that `file` is opened at the start of
 * (gzip, xz and zstd are unpacked); `path` is for messages. *ret is owned by the caller; the object must outlive it.
 * Errors: IO, FORMAT, NO_MEMORY.
 */
bool lkmfs_diff_open(const struct lkmfs_builder *builder, const struct lkmfs_object *object, FILE *file,
                     const char *path, struct lkmfs_diff **ret, struct lkmfs_error *err);
void lkmfs_diff_close(struct lkmfs_diff *diff);

const struct lkmfs_difference *lkmfs_diff_items(const struct lkmfs_diff *diff, size_t *count);
/* True when no item is significant. */
bool lkmfs_diff_equal(const struct lkmfs_diff *diff);
/* Bytes of read-only sections that were compared. */
uint64_t lkmfs_diff_compared(const struct lkmfs_diff *diff);

#endif
