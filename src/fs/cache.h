/*
 * cache.h - bytes that are made on demand, kept while there is room, and made again when asked for later.
 *
 * The cache holds units, each made in one go by a callback and made of up to CACHE_PARTS byte strings (a module's .ko
 * and its report come from the same build). The size of a part is remembered for ever once it was made. Only one thread
 * makes a unit at a time; units are made in parallel, and no other lock is held meanwhile.
 */
#ifndef LKMFS_FS_CACHE_H
#define LKMFS_FS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"

#define CACHE_PARTS 2

/* Bytes and how to free them: release(owner) unless release is NULL. */
struct cache_blob {
    const uint8_t *bytes;
    size_t size;
    void *owner;
    void (*release)(void *owner);
};

/*
 * Makes all parts of unit `unit`; parts come zeroed and one left so is an empty string. On failure nothing is to be
 * released. Called by several threads at once, but never for the same unit.
 */
typedef bool cache_make_fn(void *context, size_t unit, struct cache_blob parts[CACHE_PARTS], struct lkmfs_error *err);

struct cache;

/*
 * A cache of `units` units which keeps at most `limit` bytes of parts that nobody holds, not counting the one used
 * last. NULL without memory.
 */
struct cache *cache_new(size_t units, uint64_t limit, cache_make_fn *make, void *context);
/* Nothing may be held any more. NULL is fine. */
void cache_free(struct cache *cache);

/* Size of a part; makes the unit if that was never done. Errors: those of the callback. */
bool cache_size(struct cache *cache, size_t unit, unsigned part, uint64_t *ret, struct lkmfs_error *err);

/*
 * Holds a part: its bytes stay where they are until cache_drop(). Errors: those of the callback; IO when the part was
 * made before and came out with another size this time.
 */
bool cache_hold(struct cache *cache, size_t unit, unsigned part, const uint8_t **bytes, size_t *size,
                struct lkmfs_error *err);
void cache_drop(struct cache *cache, size_t unit, unsigned part);

/* How well it serves: of the holds, all were hits but the makes that did not fail. */
struct cache_use {
    uint64_t bytes; /* in memory now */
    uint64_t holds; /* parts asked for */
    uint64_t makes; /* calls of the callback */
};

struct cache_use cache_use(struct cache *cache);

#endif
