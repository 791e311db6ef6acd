#include "kernel/kernel_image.h"

#include <stdlib.h>

#include "base/bulk.h"

/* The smallest kernels have some MiB of text; anything less mapped here is chance. */
#define MAPPED_MIN ((uint64_t)2 << 20)
/* With KERNEL_IMAGE_SIZE of 512 MiB (no RANDOMIZE_BASE) modules follow far behind the image in the same area. */
#define GAP_MAX  ((uint64_t)64 << 20)
#define PART_MAX ((uint64_t)128 << 20)
/* What is looked for takes megabytes; the freed ends of text and rodata are a patchwork of single pages. */
#define PART_MIN ((uint64_t)256 << 10)

static bool extends(const struct image_part *part, const struct lkmfs_mapping *leaf)
{
    return part->address + part->size == leaf->virt && part->writable == leaf->writable &&
           part->executable == leaf->executable && part->size + leaf->size <= PART_MAX;
}

static void add_leaf(struct kernel_image *image, const struct lkmfs_mapping *leaf)
{
    if (leaf->size > PART_MAX) /* no kernel maps its image in pages of 1 GiB: a damaged entry */
        return;
    struct image_part *last = image->part_count ? &image->parts[image->part_count - 1] : NULL;
    if (last && extends(last, leaf)) {
        last->size += leaf->size;
        return;
    }
    if (last && last->size < PART_MIN)
        image->part_count--;
    if (image->part_count < IMAGE_PARTS_MAX)
        image->parts[image->part_count++] =
            (struct image_part){leaf->virt, leaf->size, leaf->writable, leaf->executable};
}

bool kernel_image_map(const struct lkmfs_space *space, struct kernel_image *ret)
{
    *ret = (struct kernel_image){0};
    struct lkmfs_mapping leaf;
    for (uint64_t virt = KERNEL_MAP_START; lkmfs_space_next(space, virt, KERNEL_MAP_END, &leaf);
         virt = leaf.virt + leaf.size) {
        if (ret->mapped == 0) {
            ret->start = leaf.virt;
            ret->phys = leaf.phys;
        } else if (leaf.virt - ret->end > GAP_MAX) {
            break;
        }
        add_leaf(ret, &leaf);
        ret->end = leaf.virt + leaf.size;
        ret->mapped += leaf.size;
    }
    return ret->mapped >= MAPPED_MIN;
}

struct segment kernel_image_read(const struct lkmfs_space *space, const struct image_part *part)
{
    const struct lkmfs_range range = {part->address, part->size};
    uint8_t *bytes = bulk_alloc(part->size);
    lkmfs_space_prefetch(space, &range, 1, false);
    if (bytes)
        (void)lkmfs_space_read_sparse(space, part->address, bytes, part->size, NULL, NULL);
    return (struct segment){.address = part->address, .bytes = bytes, .size = part->size};
}
