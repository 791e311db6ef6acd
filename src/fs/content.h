/*
 * content.h - makes the contents of the tree's files: the callback of its cache.
 *
 * One unit for each text that is made up from the session, and two for each module: the .ko with its report, and the
 * object at run-time addresses.
 */
#ifndef LKMFS_FS_CONTENT_H
#define LKMFS_FS_CONTENT_H

#include "fs/cache.h"
#include "lkmfs/tree.h"

enum content_unit {
    CONTENT_MODULES_JSON,
    CONTENT_MODULES_TEXT,
    CONTENT_REPORT,
    CONTENT_VERSION,
    CONTENT_KALLSYMS,
    CONTENT_TEXT_COUNT,
};

/* Parts of a module's relocatable unit; all other units have part 0 only. */
enum content_part {
    CONTENT_KO,
    CONTENT_INFO,
};

static inline size_t content_units(size_t modules)
{
    return CONTENT_TEXT_COUNT + 2 * modules;
}

static inline size_t content_relocatable_unit(size_t module)
{
    return CONTENT_TEXT_COUNT + 2 * module;
}

static inline size_t content_loaded_unit(size_t module)
{
    return CONTENT_TEXT_COUNT + 2 * module + 1;
}

/*
 * A cache_make_fn; `session` is a const struct lkmfs_session. A module of which nothing is left becomes an empty file
 * whose report says why. Errors: NO_MEMORY, IO, READ.
 */
bool content_make(void *session, size_t unit, struct cache_blob parts[CACHE_PARTS], struct lkmfs_error *err);

#endif
