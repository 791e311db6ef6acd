/*
 * Fetching ahead from an image that is far away. What a walk needs next is only known once it has read what came
 * before, so all tables of one level are fetched together, then all of the next, and at last what they map.
 */
#include <stdlib.h>

#include "base/array.h"
#include "memory/paging.h"

#define TABLE_SIZE 4096

/* Bounds the work that hostile page tables can cause; the rest is read when it is needed. */
#define RANGES_MAX ((size_t)1 << 15)

struct wanted {
    struct lkmfs_range *items;
    size_t count, capacity;
};

/* False when no more are accepted. */
static bool want(struct wanted *wanted, uint64_t phys, uint64_t size)
{
    struct lkmfs_range *last = wanted->count ? &wanted->items[wanted->count - 1] : NULL;
    if (last && last->start + last->size == phys) {
        last->size += size;
        return true;
    }
    if (wanted->count == RANGES_MAX || !ARRAY_RESERVE(&wanted->items, &wanted->capacity, wanted->count))
        return false;
    wanted->items[wanted->count++] = (struct lkmfs_range){phys, size};
    return true;
}

static void want_tables(const struct lkmfs_space *space, const struct lkmfs_range *range, unsigned depth,
                        struct wanted *wanted)
{
    const struct paging *paging = space_paging(space);
    uint64_t virt = range->start, next;
    do {
        uint64_t phys;
        if (paging->table(space, virt, depth, &phys, &next) && !want(wanted, phys, TABLE_SIZE))
            return;
        if (next <= virt)
            return;
        virt = next;
    } while (virt - range->start < range->size);
}

static void want_leaves(const struct lkmfs_space *space, const struct lkmfs_range *range, bool writable,
                        struct wanted *wanted)
{
    uint64_t end = range->start + range->size;
    struct lkmfs_mapping leaf;
    for (uint64_t virt = range->start; lkmfs_space_next(space, virt, end, &leaf); virt = leaf.virt + leaf.size)
        if ((leaf.writable || !writable) && !want(wanted, leaf.phys, leaf.size))
            return;
}

void lkmfs_space_prefetch(const struct lkmfs_space *space, const struct lkmfs_range *ranges, size_t count,
                          bool writable)
{
    const struct lkmfs_image *image = lkmfs_space_image(space);
    struct wanted wanted = {0};
    if (!lkmfs_image_prefetches(image))
        return;
    for (unsigned depth = 1; depth < space_paging(space)->levels; depth++) {
        wanted.count = 0;
        for (size_t i = 0; i < count; i++)
            want_tables(space, &ranges[i], depth, &wanted);
        lkmfs_image_prefetch(image, wanted.items, wanted.count);
    }
    wanted.count = 0;
    for (size_t i = 0; i < count; i++)
        want_leaves(space, &ranges[i], writable, &wanted);
    lkmfs_image_prefetch(image, wanted.items, wanted.count);
    free(wanted.items);
}
