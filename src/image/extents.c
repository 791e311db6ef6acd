#include "image/extents.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/overflow.h"
#include "image/failure.h"

/* More at a time are left to be read when they are needed. */
#define PREFETCH_SPANS_MAX ((size_t)1 << 16)

void image_extents_destroy(struct image_extents *extents)
{
    free(extents->items);
    image_cache_free(extents->cache);
    *extents = (struct image_extents){0};
}

static void add_saturated(uint64_t *sum, uint64_t value)
{
    if (!add_u64(*sum, value, sum))
        *sum = UINT64_MAX;
}

bool image_extents_add(struct image_extents *extents, uint64_t phys, uint64_t offset, uint64_t size)
{
    return image_extents_add_packed(extents, phys, offset, size, 0);
}

bool image_extents_add_packed(struct image_extents *extents, uint64_t phys, uint64_t offset, uint64_t size,
                              uint32_t packed)
{
    if (size == 0)
        return true;
    if (!range_fits(phys, size, IMAGE_PHYSICAL_LIMIT)) {
        extents->losses.absurd++;
        return true;
    }
    if (extents->count == IMAGE_EXTENTS_MAX) {
        extents->losses.dropped++;
        return true;
    }
    if (!ARRAY_RESERVE(&extents->items, &extents->capacity, extents->count))
        return false;
    extents->items[extents->count++] =
        (struct image_extent){.phys = phys, .offset = offset, .size = size, .packed = packed};
    return true;
}

static int extent_compare(const void *left, const void *right)
{
    const struct image_extent *a = left;
    const struct image_extent *b = right;

    if (a->phys != b->phys)
        return a->phys < b->phys ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

static void extents_cut(struct image_extents *extents, uint64_t file_size)
{
    for (size_t i = 0; i < extents->count; i++) {
        struct image_extent *extent = &extents->items[i];
        uint64_t left = extent->offset < file_size ? file_size - extent->offset : 0;
        if ((extent->packed ? extent->packed : extent->size) <= left)
            continue;
        if (extent->packed) /* of no use in part */
            left = 0;
        extents->losses.cut++;
        add_saturated(&extents->losses.cut_bytes, extent->size - left);
        extent->size = left;
    }
}

/* Takes from *extent what lies below `frontier`, the end of *last: that much is held already. */
static void extent_trim(struct image_extent *extent, const struct image_extent *last, uint64_t frontier,
                        struct image_losses *losses)
{
    uint64_t held = min_u64(extent->size, frontier - extent->phys);

    /* The same bytes of the file under the same address are no contradiction: QEMU's paging=true, page by page. */
    if (extent->packed || last->packed || extent->offset - extent->phys != last->offset - last->phys) {
        losses->overlap++;
        add_saturated(&losses->overlap_bytes, held);
    }
    extent->phys += held;
    if (extent->packed)
        extent->skip += (uint32_t)min_u64(held, UINT32_MAX - extent->skip);
    else
        extent->offset += held;
    extent->size -= held;
}

void image_extents_settle(struct image_extents *extents, uint64_t file_size)
{
    if (extents->count == 0)
        return;
    extents_cut(extents, file_size);
    qsort(extents->items, extents->count, sizeof(*extents->items), extent_compare);

    size_t kept = 0;
    struct image_extent *last = NULL;
    for (size_t i = 0; i < extents->count; i++) {
        struct image_extent extent = extents->items[i];
        uint64_t frontier = last ? last->phys + last->size : 0;
        if (last && extent.size && extent.phys < frontier)
            extent_trim(&extent, last, frontier, &extents->losses);
        if (!extent.size)
            continue;
        bool plain = last && !last->packed && !extent.packed;
        if (plain && extent.phys == frontier && extent.offset == last->offset + last->size) {
            last->size += extent.size;
            continue;
        }
        last = &extents->items[kept++];
        *last = extent;
    }
    extents->count = kept;
}

bool image_extents_ranges(const struct image_extents *extents, struct lkmfs_range **ret, size_t *count)
{
    struct lkmfs_range *ranges = calloc(extents->count ? extents->count : 1, sizeof(*ranges));
    if (!ranges)
        return false;

    size_t used = 0;
    for (size_t i = 0; i < extents->count; i++) {
        const struct image_extent *extent = &extents->items[i];
        if (used && ranges[used - 1].start + ranges[used - 1].size == extent->phys)
            ranges[used - 1].size += extent->size;
        else
            ranges[used++] = (struct lkmfs_range){.start = extent->phys, .size = extent->size};
    }
    *ret = ranges;
    *count = used;
    return true;
}

/* Index of the first extent that ends above `phys`; count if there is none. */
static size_t extents_find(const struct image_extents *extents, uint64_t phys)
{
    size_t low = 0;
    size_t high = extents->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct image_extent *extent = &extents->items[middle];
        if (extent->phys + extent->size <= phys)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A compressed chunk on its way into the cache. */
struct chunk {
    struct image_file *file;
    enum image_packing packing;
    uint32_t packed;
    size_t size; /* bytes of memory it must have */
};

static size_t chunk_unpack(void *context, uint64_t key, uint8_t *block)
{
    const struct chunk *chunk = context;
    uint8_t *packed = malloc(chunk->packed);
    size_t size = 0;
    if (!packed)
        image_failure_note(key, ENOMEM);
    if (packed && image_file_read(chunk->file, key, packed, chunk->packed) == chunk->packed)
        size = image_unpack(chunk->packing, packed, chunk->packed, block, chunk->size);
    free(packed);
    if (size < chunk->size)
        atomic_fetch_add_explicit(&chunk->file->damaged, 1, memory_order_relaxed);
    return size;
}

static size_t extent_read(const struct image_extents *extents, const struct image_extent *extent,
                          struct image_file *file, uint64_t skip, void *buffer, size_t size)
{
    if (!extent->packed)
        return image_file_read(file, extent->offset + skip, buffer, size);
    struct chunk chunk = {.file = file,
                          .packing = extents->packing,
                          .packed = extent->packed,
                          .size = extent->skip + (size_t)extent->size};
    return image_cache_read(extents->cache, extent->offset, extent->skip + (size_t)skip, buffer, size, chunk_unpack,
                            &chunk);
}

size_t image_extents_read(const struct image_extents *extents, struct image_file *file, uint64_t phys, void *buffer,
                          size_t size)
{
    if (phys >= IMAGE_PHYSICAL_LIMIT)
        return 0;

    size_t done = 0;
    for (size_t i = extents_find(extents, phys); i < extents->count && done < size; i++) {
        const struct image_extent *extent = &extents->items[i];
        uint64_t at = phys + done;
        if (extent->phys > at)
            break;
        uint64_t skip = at - extent->phys;
        size_t want = (size_t)min_u64(size - done, extent->size - skip);
        size_t got = extent_read(extents, extent, file, skip, (uint8_t *)buffer + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

/* The parts of the file that hold these ranges; how many fit into `spans`. */
static size_t extents_locate(const struct image_extents *extents, const struct lkmfs_range *range,
                             struct image_span *spans, size_t room)
{
    uint64_t end = range->start + range->size;
    size_t used = 0;
    for (size_t i = extents_find(extents, range->start); i < extents->count && used < room; i++) {
        const struct image_extent *extent = &extents->items[i];
        if (extent->phys >= end)
            break;
        uint64_t from = max_u64(range->start, extent->phys);
        uint64_t size = min_u64(end, extent->phys + extent->size) - from;
        spans[used++] = extent->packed ? (struct image_span){extent->offset, extent->packed}
                                       : (struct image_span){extent->offset + (from - extent->phys), size};
    }
    return used;
}

void image_extents_prefetch(const struct image_extents *extents, struct image_file *file,
                            const struct lkmfs_range *ranges, size_t count)
{
    struct image_span *spans = calloc(PREFETCH_SPANS_MAX, sizeof(*spans));
    size_t used = 0;
    for (size_t i = 0; spans && i < count && used < PREFETCH_SPANS_MAX; i++)
        if (range_fits(ranges[i].start, ranges[i].size, IMAGE_PHYSICAL_LIMIT))
            used += extents_locate(extents, &ranges[i], spans + used, PREFETCH_SPANS_MAX - used);
    if (used)
        image_file_prefetch(file, spans, used);
    free(spans);
}

void image_extents_log(const struct image_extents *extents, enum lkmfs_log_kind overlap_kind, struct lkmfs_log *log)
{
    const struct image_losses *losses = &extents->losses;

    if (losses->absurd)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "image: %" PRIu64 " ranges left out: they lie beyond the 52 bits of a physical address",
                      losses->absurd);
    if (losses->dropped)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "image: %" PRIu64 " ranges left out: more than the %zu that are accepted",
                      losses->dropped, IMAGE_EXTENTS_MAX);
    if (losses->cut)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "image: cut short: %" PRIu64 " ranges reach %" PRIu64
                      " bytes past the end of the file; what is there is used",
                      losses->cut, losses->cut_bytes);
    if (losses->overlap)
        lkmfs_log_add(log, overlap_kind,
                      "image: %" PRIu64 " ranges overlap others: %" PRIu64
                      " bytes held twice were ignored in favour of the range that starts lower",
                      losses->overlap, losses->overlap_bytes);
}
