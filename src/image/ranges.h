/*
 * ranges.h - the list of ranges of a format that knows page by page what it holds.
 */
#ifndef LKMFS_IMAGE_RANGES_H
#define LKMFS_IMAGE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/image.h"

/* Bounds the memory that a filtered dump's crumbs can take, to 32 MiB. */
#define IMAGE_RANGES_MAX ((size_t)1 << 21)

/* Start with {0}. */
struct image_ranges {
    struct lkmfs_range *items; /* malloc'd */
    size_t count, capacity;
    uint64_t gap; /* ranges that are closer than this are taken as one, with pages in it that can't be read */
};

/*
 * Adds a range above all that were added before. When there are too many, the closest become one. False without
 * memory.
 */
bool image_ranges_add(struct image_ranges *ranges, uint64_t start, uint64_t size);

#endif
