/*
 * kernel_image.h - the kernel's own image as an address space maps it.
 */
#ifndef LKMFS_KERNEL_KERNEL_IMAGE_H
#define LKMFS_KERNEL_KERNEL_IMAGE_H

#include "kernel/symbols.h"
#include "lkmfs/kernel.h"

/* x86_64: __START_KERNEL_map and the largest KERNEL_IMAGE_SIZE (Documentation/arch/x86/x86_64/mm.rst). */
#define KERNEL_MAP_START UINT64_C(0xffffffff80000000)
#define KERNEL_MAP_END   UINT64_C(0xffffffffc0000000)

#define IMAGE_PARTS_MAX 64

/* A run of the image with one protection. */
struct image_part {
    uint64_t address, size;
    bool writable, executable;
};

struct kernel_image {
    uint64_t start, end;                      /* virtual; init memory that was freed leaves holes */
    uint64_t phys;                            /* physical address of `start` */
    uint64_t mapped;                          /* bytes mapped */
    struct image_part parts[IMAGE_PARTS_MAX]; /* the large ones */
    size_t part_count;
};

/* Walks the kernel's mapping. False when what is mapped there can't be a kernel image. */
bool kernel_image_map(const struct lkmfs_space *space, struct kernel_image *ret);

/*
 * Reads one part into a malloc'd buffer, missing pages as zeros. ret->bytes is for the caller to free; NULL without
 * memory.
 */
struct segment kernel_image_read(const struct lkmfs_space *space, const struct image_part *part);

#endif
