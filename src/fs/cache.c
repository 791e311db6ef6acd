#include "fs/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Parts released between two times of taking the lock. */
#define EVICT_BATCH 16

struct slot {
    TAILQ_ENTRY(slot) order; /* in cache->used while present */
    struct cache_blob blob;
    uint64_t size; /* valid for ever once `sized` */
    size_t holds;
    bool sized, present;
};

struct unit {
    pthread_mutex_t making; /* held while the callback runs; taken before cache->lock */
    struct slot slots[CACHE_PARTS];
};

struct cache {
    pthread_mutex_t lock;             /* guards all below and every slot; never held while making */
    TAILQ_HEAD(slot_list, slot) used; /* parts in memory, the one used last first */
    uint64_t bytes, limit, holds, makes;
    cache_make_fn *make;
    void *context;
    size_t unit_count;
    struct unit *units;
};

struct cache *cache_new(size_t units, uint64_t limit, cache_make_fn *make, void *context)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (!cache)
        return NULL;
    cache->units = calloc(units ? units : 1, sizeof(*cache->units));
    if (!cache->units || pthread_mutex_init(&cache->lock, NULL) != 0) {
        free(cache->units);
        free(cache);
        return NULL;
    }
    /* A default mutex can't fail to initialise in glibc (pthread_mutex_init(3)). */
    for (size_t i = 0; i < units; i++)
        (void)pthread_mutex_init(&cache->units[i].making, NULL);
    TAILQ_INIT(&cache->used);
    cache->unit_count = units;
    cache->limit = limit;
    cache->make = make;
    cache->context = context;
    return cache;
}

static void blob_release(struct cache_blob *blob)
{
    if (blob->release)
        blob->release(blob->owner);
    *blob = (struct cache_blob){0};
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->unit_count; i++) {
        for (unsigned part = 0; part < CACHE_PARTS; part++)
            blob_release(&cache->units[i].slots[part].blob);
        (void)pthread_mutex_destroy(&cache->units[i].making);
    }
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache->units);
    free(cache);
}

/* Takes parts that nobody holds out of the cache, the least recently used first, until the rest fits. Under the lock.
 */
static size_t take_excess(struct cache *cache, struct cache_blob taken[EVICT_BATCH])
{
    size_t count = 0;
    struct slot *slot, *before;
    for (slot = TAILQ_LAST(&cache->used, slot_list); slot && cache->bytes > cache->limit && count < EVICT_BATCH;
         slot = before) {
        before = TAILQ_PREV(slot, slot_list, order);
        if (slot->holds > 0 || slot == TAILQ_FIRST(&cache->used))
            continue;
        TAILQ_REMOVE(&cache->used, slot, order);
        cache->bytes -= slot->blob.size;
        taken[count++] = slot->blob;
        slot->blob = (struct cache_blob){0};
        slot->present = false;
    }
    return count;
}

/* Releasing is left to the time without the lock: an object has many pieces. */
static void evict(struct cache *cache)
{
    struct cache_blob taken[EVICT_BATCH];
    size_t count;
    do {
        (void)pthread_mutex_lock(&cache->lock);
        count = take_excess(cache, taken);
        (void)pthread_mutex_unlock(&cache->lock);
        for (size_t i = 0; i < count; i++)
            blob_release(&taken[i]);
    } while (count == EVICT_BATCH);
}

/* Holds a part if it is in memory. Under the lock. */
static bool hold_present(struct cache *cache, struct slot *slot, const uint8_t **bytes, size_t *size)
{
    if (!slot->present)
        return false;
    slot->holds++;
    cache->holds++;
    TAILQ_REMOVE(&cache->used, slot, order);
    TAILQ_INSERT_HEAD(&cache->used, slot, order);
    *bytes = slot->blob.bytes;
    *size = slot->blob.size;
    return true;
}

static bool hold_present_locked(struct cache *cache, struct slot *slot, const uint8_t **bytes, size_t *size)
{
    (void)pthread_mutex_lock(&cache->lock);
    bool held = hold_present(cache, slot, bytes, size);
    (void)pthread_mutex_unlock(&cache->lock);
    return held;
}

/* Puts freshly made parts into their slots; what is not needed stays in `parts`. Under the lock. */
static bool install(struct cache *cache, struct unit *unit, struct cache_blob parts[CACHE_PARTS],
                    struct lkmfs_error *err)
{
    for (unsigned i = 0; i < CACHE_PARTS; i++)
        if (unit->slots[i].sized && unit->slots[i].size != parts[i].size)
            return lkmfs_fail(err, LKMFS_ERROR_IO, 0,
                              "a file of %llu bytes has %zu bytes when built again: did the image change?",
                              (unsigned long long)unit->slots[i].size, parts[i].size);
    for (unsigned i = 0; i < CACHE_PARTS; i++) {
        struct slot *slot = &unit->slots[i];
        if (slot->present)
            continue;
        slot->blob = parts[i];
        slot->size = parts[i].size;
        slot->sized = slot->present = true;
        cache->bytes += parts[i].size;
        TAILQ_INSERT_HEAD(&cache->used, slot, order);
        parts[i] = (struct cache_blob){0};
    }
    return true;
}

/* Makes the unit and holds `slot`, one of its parts. The unit's own lock is held. */
static bool make_and_hold(struct cache *cache, size_t index, struct slot *slot, const uint8_t **bytes, size_t *size,
                          struct lkmfs_error *err)
{
    struct cache_blob parts[CACHE_PARTS] = {0};
    bool ok = cache->make(cache->context, index, parts, err);

    (void)pthread_mutex_lock(&cache->lock);
    cache->makes++;
    if (ok)
        ok = install(cache, &cache->units[index], parts, err);
    if (ok)
        (void)hold_present(cache, slot, bytes, size);
    (void)pthread_mutex_unlock(&cache->lock);

    for (unsigned i = 0; i < CACHE_PARTS; i++)
        blob_release(&parts[i]);
    return ok;
}

bool cache_hold(struct cache *cache, size_t unit, unsigned part, const uint8_t **bytes, size_t *size,
                struct lkmfs_error *err)
{
    struct slot *slot = &cache->units[unit].slots[part];
    if (hold_present_locked(cache, slot, bytes, size))
        return true;

    (void)pthread_mutex_lock(&cache->units[unit].making);
    bool ok = hold_present_locked(cache, slot, bytes, size) || make_and_hold(cache, unit, slot, bytes, size, err);
    (void)pthread_mutex_unlock(&cache->units[unit].making);
    evict(cache);
    return ok;
}

void cache_drop(struct cache *cache, size_t unit, unsigned part)
{
    (void)pthread_mutex_lock(&cache->lock);
    cache->units[unit].slots[part].holds--;
    bool excess = cache->bytes > cache->limit;
    (void)pthread_mutex_unlock(&cache->lock);
    if (excess)
        evict(cache);
}

bool cache_size(struct cache *cache, size_t unit, unsigned part, uint64_t *ret, struct lkmfs_error *err)
{
    struct slot *slot = &cache->units[unit].slots[part];
    (void)pthread_mutex_lock(&cache->lock);
    bool sized = slot->sized;
    *ret = slot->size;
    (void)pthread_mutex_unlock(&cache->lock);
    if (sized)
        return true;

    const uint8_t *bytes;
    size_t size = 0;
    if (!cache_hold(cache, unit, part, &bytes, &size, err))
        return false;
    cache_drop(cache, unit, part);
    *ret = size;
    return true;
}

struct cache_use cache_use(struct cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    struct cache_use use = {.bytes = cache->bytes, .holds = cache->holds, .makes = cache->makes};
    (void)pthread_mutex_unlock(&cache->lock);
    return use;
}
