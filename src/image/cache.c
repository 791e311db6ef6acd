#include "image/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "image/failure.h"
#include "lkmfs/image.h"

/* A key has a few places only, which are looked at one by one and share a lock. */
#define WAYS 8

struct cache_way {
    uint64_t key;
    uint64_t used;  /* when it was last read, as a count; 0: never filled */
    size_t size;    /* bytes of the block */
    uint8_t *block; /* allocated when first needed */
};

struct cache_set {
    pthread_mutex_t lock;
    uint64_t clock;
    struct cache_way ways[WAYS];
};

struct image_cache {
    size_t block_size;
    size_t set_count;
    struct cache_set *sets;
};

struct image_cache *image_cache_new(size_t block_size, size_t bytes)
{
    struct image_cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    size_t wanted = bytes / block_size / WAYS;
    cache->block_size = block_size;
    cache->sets = calloc(wanted ? wanted : 1, sizeof(*cache->sets));
    if (!cache->sets) {
        free(cache);
        return NULL;
    }
    cache->set_count = wanted ? wanted : 1;
    for (size_t i = 0; i < cache->set_count; i++)
        (void)pthread_mutex_init(&cache->sets[i].lock, NULL); /* cannot fail with default attributes */
    return cache;
}

void image_cache_free(struct image_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->set_count; i++) {
        (void)pthread_mutex_destroy(&cache->sets[i].lock);
        for (size_t way = 0; way < WAYS; way++)
            free(cache->sets[i].ways[way].block);
    }
    free(cache->sets);
    free(cache);
}

static struct cache_set *cache_lock(struct image_cache *cache, uint64_t key)
{
    uint64_t hash = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    struct cache_set *set = &cache->sets[hash % cache->set_count];
    (void)pthread_mutex_lock(&set->lock);
    return set;
}

static struct cache_way *set_find(struct cache_set *set, uint64_t key)
{
    for (size_t i = 0; i < WAYS; i++)
        if (set->ways[i].used && set->ways[i].key == key)
            return &set->ways[i];
    return NULL;
}

/* The way to use for a new block, emptied, with room for one; NULL without memory. */
static struct cache_way *set_take(struct cache_set *set, size_t block_size)
{
    struct cache_way *oldest = &set->ways[0];
    for (size_t i = 1; i < WAYS; i++)
        if (set->ways[i].used < oldest->used)
            oldest = &set->ways[i];
    if (!oldest->block)
        oldest->block = malloc(block_size);
    oldest->used = 0;
    return oldest->block ? oldest : NULL;
}

/* Fills a way for block `key` that isn't held; NULL when the host fails. */
static struct cache_way *set_fill(struct cache_set *set, size_t block_size, uint64_t key, image_cache_fill_fn *fill,
                                  void *context)
{
    struct cache_way *way = set_take(set, block_size);
    if (!way) {
        image_failure_note(0, ENOMEM);
        return NULL;
    }
    uint64_t failures = lkmfs_image_failures();
    way->key = key;
    way->size = fill(context, key, way->block);
    return lkmfs_image_failures() == failures ? way : NULL;
}

size_t image_cache_read(struct image_cache *cache, uint64_t key, size_t skip, void *buffer, size_t size,
                        image_cache_fill_fn *fill, void *context)
{
    size_t copied = 0;
    struct cache_set *set = cache_lock(cache, key);
    struct cache_way *way = set_find(set, key);

    if (!way)
        way = set_fill(set, cache->block_size, key, fill, context);
    if (way) {
        way->used = ++set->clock;
        if (skip < way->size) {
            copied = (size_t)min_u64(size, way->size - skip);
            memcpy(buffer, way->block + skip, copied);
        }
    }
    (void)pthread_mutex_unlock(&set->lock);
    return copied;
}

void image_cache_put(struct image_cache *cache, uint64_t key, const void *block, size_t size)
{
    struct cache_set *set = cache_lock(cache, key);
    struct cache_way *way = set_find(set, key) ? NULL : set_take(set, cache->block_size);

    if (way) {
        way->key = key;
        way->size = (size_t)min_u64(size, cache->block_size);
        way->used = ++set->clock;
        memcpy(way->block, block, way->size);
    }
    (void)pthread_mutex_unlock(&set->lock);
}

bool image_cache_has(struct image_cache *cache, uint64_t key)
{
    struct cache_set *set = cache_lock(cache, key);
    bool has = set_find(set, key) != NULL;
    (void)pthread_mutex_unlock(&set->lock);
    return has;
}
