/*
 * cache.h - a bounded number of blocks that are costly to get: unpacked pages and chunks, blocks from a server.
 */
#ifndef LKMFS_IMAGE_CACHE_H
#define LKMFS_IMAGE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Good for most formats: more blocks are rarely in use at a time. */
#define IMAGE_CACHE_BYTES ((size_t)32 << 20)

struct image_cache;

/*
 * Makes block `key` in `block`, which has room for a block, and returns how many bytes it has: 0 when it can't be had,
 * which is remembered, too, unless it is for a failure of the host (failure.h).
 */
typedef size_t image_cache_fill_fn(void *context, uint64_t key, uint8_t *block);

/* A cache of blocks of at most `block_size` bytes, some `bytes` in all; NULL without memory. */
struct image_cache *image_cache_new(size_t block_size, size_t bytes);
/* Accepts NULL. */
void image_cache_free(struct image_cache *cache);

/*
 * Copies up to `size` bytes from `skip` of block `key`, filling it first when it isn't held, and returns how many there
 * were. Safe from several threads; `fill` may run in several at once, for different keys.
 */
size_t image_cache_read(struct image_cache *cache, uint64_t key, size_t skip, void *buffer, size_t size,
                        image_cache_fill_fn *fill, void *context);

/* Holds a block that came by another way; does nothing if it is held already. */
void image_cache_put(struct image_cache *cache, uint64_t key, const void *block, size_t size);

/* True when block `key` is held. */
bool image_cache_has(struct image_cache *cache, uint64_t key);

#endif
