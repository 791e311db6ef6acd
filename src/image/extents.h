/*
 * extents.h - which part of the file holds which part of physical memory, for formats that store memory as it is or in
 * chunks that are compressed each for itself.
 *
 * Extents are added in any order and then settled: sorted, cut to the file, freed of overlaps, merged. Where two
 * overlap, the one that starts at the lower address wins, and of two that start alike the one that lies first in the
 * file: every byte that either holds stays readable, and one sorted sweep is enough.
 */
#ifndef LKMFS_IMAGE_EXTENTS_H
#define LKMFS_IMAGE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/cache.h"
#include "image/file.h"
#include "image/unpack.h"
#include "lkmfs/error.h"
#include "lkmfs/image.h"

/* x86_64 and arm64 both end here; it also keeps every sum of an address and a size from overflowing. */
#define IMAGE_PHYSICAL_LIMIT ((uint64_t)1 << 52)

/* Bounds the memory that a hostile file can claim (to 256 MiB). AVML compresses 64 KiB at a time: this is 512 GiB. */
#define IMAGE_EXTENTS_MAX ((size_t)1 << 23)

struct image_extent {
    uint64_t phys;   /* physical address of the first byte */
    uint64_t offset; /* where it lies in the file */
    uint64_t size;   /* bytes of memory */
    uint32_t packed; /* bytes that its compressed chunk has in the file; 0: stored as it is */
    uint32_t skip;   /* bytes of the unpacked chunk that come before it */
};

/* What was lost on the way; sums stop at UINT64_MAX. */
struct image_losses {
    uint64_t absurd;        /* extents beyond IMAGE_PHYSICAL_LIMIT, left out */
    uint64_t dropped;       /* extents beyond IMAGE_EXTENTS_MAX, left out */
    uint64_t cut;           /* extents that reach past the end of the file... */
    uint64_t cut_bytes;     /* ...and by how much */
    uint64_t overlap;       /* extents that say anew, from elsewhere in the file, what another holds... */
    uint64_t overlap_bytes; /* ...and how much of it was ignored */
};

struct image_extents {
    struct image_extent *items;
    size_t count, capacity;
    struct image_losses losses;
    /* Only where there are compressed chunks, which must fit the cache's blocks; owned. */
    struct image_cache *cache;
    enum image_packing packing;
};

void image_extents_destroy(struct image_extents *extents);

/* Adds an extent; absurd and surplus ones are counted in losses and left out. False without memory. */
bool image_extents_add(struct image_extents *extents, uint64_t phys, uint64_t offset, uint64_t size);

/* Adds `size` bytes of memory that are compressed to `packed` bytes at `offset`. */
bool image_extents_add_packed(struct image_extents *extents, uint64_t phys, uint64_t offset, uint64_t size,
                              uint32_t packed);

/* Makes extents ready for reading from a file of `file_size` bytes; see above. */
void image_extents_settle(struct image_extents *extents, uint64_t file_size);

/* Ranges of physical memory in settled extents, malloc'd. False without memory. */
bool image_extents_ranges(const struct image_extents *extents, struct lkmfs_range **ret, size_t *count);

/* Reads physical memory by way of settled extents, as lkmfs_image_read() does. */
size_t image_extents_read(const struct image_extents *extents, struct image_file *file, uint64_t phys, void *buffer,
                          size_t size);

/* Has the file fetch what these ranges of physical memory are in, by way of settled extents. */
void image_extents_prefetch(const struct image_extents *extents, struct image_file *file,
                            const struct lkmfs_range *ranges, size_t count);

/* One line in the log for every kind of loss. `overlap_kind` is a NOTE for formats whose writers overlap as a rule. */
void image_extents_log(const struct image_extents *extents, enum lkmfs_log_kind overlap_kind, struct lkmfs_log *log);

#endif
