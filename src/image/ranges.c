#include "image/ranges.h"

#include "base/array.h"

#define GAP_FIRST 4096

static bool ranges_extend(const struct image_ranges *ranges, struct lkmfs_range *last, const struct lkmfs_range *range)
{
    if (range->start - (last->start + last->size) > ranges->gap)
        return false;
    last->size = range->start + range->size - last->start;
    return true;
}

/* Takes ever larger gaps for nothing until half of the ranges are gone. */
static void ranges_coarsen(struct image_ranges *ranges)
{
    while (ranges->count > IMAGE_RANGES_MAX / 2) {
        size_t kept = 0;
        ranges->gap = ranges->gap ? ranges->gap * 2 : GAP_FIRST;
        for (size_t i = 0; i < ranges->count; i++) {
            if (kept == 0 || !ranges_extend(ranges, &ranges->items[kept - 1], &ranges->items[i]))
                ranges->items[kept++] = ranges->items[i];
        }
        ranges->count = kept;
    }
}

bool image_ranges_add(struct image_ranges *ranges, uint64_t start, uint64_t size)
{
    const struct lkmfs_range range = {.start = start, .size = size};
    if (size == 0 || (ranges->count && ranges_extend(ranges, &ranges->items[ranges->count - 1], &range)))
        return true;
    if (ranges->count == IMAGE_RANGES_MAX)
        ranges_coarsen(ranges);
    if (!ARRAY_RESERVE(&ranges->items, &ranges->capacity, ranges->count))
        return false;
    ranges->items[ranges->count++] = range;
    return true;
}
