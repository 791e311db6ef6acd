/*
 * format.h - the inside of an image, and what a container format provides.
 *
 * A new format is one file that defines a struct image_format, one line here and one in the table in image.c.
 */
#ifndef LKMFS_IMAGE_FORMAT_H
#define LKMFS_IMAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/extents.h"
#include "image/file.h"
#include "lkmfs/image.h"

/* The first bytes of a file, by which its format is told. */
struct image_head {
    uint8_t bytes[4096];
    size_t size; /* fewer in a shorter file, never 0 */
};

struct image_format {
    const char *name; /* for lkmfs_image_format() */

    /* True when the file is of this format, though perhaps damaged; NULL for raw, which takes what no other takes. */
    bool (*probe)(const struct image_head *head);

    /*
     * Reads the headers of image->file, and fills image->extents (which image.c then settles) or image->ranges and
     * image->state, and image->hints. On failure close() is called all the same. Errors: NO_MEMORY, IO, FORMAT.
     */
    bool (*open)(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err);

    /* lkmfs_image_read() for a format without extents; NULL for one with. */
    size_t (*pread)(const struct lkmfs_image *image, uint64_t phys, void *buffer, size_t size);

    /*
     * Puts memory from hole->start on above hole->end; `hole` may be NULL. Fills extents or ranges anew. False without
     * memory. NULL in a format that says what lies where.
     */
    bool (*set_hole)(struct lkmfs_image *image, const struct lkmfs_hole *hole);
    bool hole_unknown; /* only the kernel can tell whether there is a hole */

    /* Frees image->state; NULL if it has none. */
    void (*close)(struct lkmfs_image *image);

    /* NOTE where the format's writers overlap ranges as a rule, DOUBT where an overlap is damage. */
    enum lkmfs_log_kind overlap_kind;
};

struct lkmfs_image {
    struct image_file *file;
    const struct image_format *format;
    struct image_extents extents;
    void *state; /* of formats that need more than extents */
    struct lkmfs_range *ranges;
    size_t range_count;
    struct lkmfs_hints hints;
};

extern const struct image_format image_format_lime;
extern const struct image_format image_format_avml;
extern const struct image_format image_format_elf_core;
extern const struct image_format image_format_kdump;
extern const struct image_format image_format_qemu;
extern const struct image_format image_format_libvirt;
extern const struct image_format image_format_vmware;
extern const struct image_format image_format_vmem;
extern const struct image_format image_format_xen;
extern const struct image_format image_format_raw;

#endif
