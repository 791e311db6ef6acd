/*
 * kdump.h - the headers of a compressed dump, as makedumpfile and QEMU write it.
 */
#ifndef LKMFS_IMAGE_KDUMP_H
#define LKMFS_IMAGE_KDUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "image/format.h"

struct kdump_header {
    bool kdump;          /* "KDUMP   ", not "DISKDUMP" */
    uint32_t version;    /* of the header: 0 to 6 */
    uint32_t status;     /* bit 3: the dump broke off */
    uint32_t block_size; /* bytes of a page: a power of two from 4 KiB to 64 KiB */
    uint32_t dump_level; /* which kinds of pages were left out */
    uint64_t pages;      /* page numbers are below this */
    uint64_t held;       /* file offset of the bitmap of the pages that are held ... */
    uint64_t known;      /* ... and of that of the pages that the machine had; 0 if there's none */
    uint64_t table;      /* file offset of the page descriptors */
    bool split;          /* one of several files, which share all but ... */
    uint64_t first, end; /* ... the pages whose descriptors this one has: from `first` to before `end` */
};

/* A file of a dump, perhaps of no pages; one that is not split has a single part for all. */
struct kdump_part {
    struct image_file *file; /* owned, unless it is the image's */
    uint64_t first, end;     /* pages */
    uint64_t table;          /* file offset of their descriptors */
};

#define KDUMP_STATUS_INCOMPLETE 8
/* A dump_level that leaves out pages of zeros and no others. */
#define KDUMP_LEVEL_ZEROS 1

/*
 * Reads and checks the headers of image->file, and adds to image->hints what its notes say. Errors: NO_MEMORY; FORMAT
 * (32-bit, damaged).
 */
bool kdump_read_header(struct lkmfs_image *image, struct kdump_header *ret, struct lkmfs_log *log,
                       struct lkmfs_error *err);

/* kdump_read_header() without the notes, of any file. False when it is no kdump, or a damaged one. */
bool kdump_peek_header(struct image_file *file, struct kdump_header *ret);

/*
 * Finds the files of the dump that makedumpfile --split wrote `file` for, `held` being its bitmap of `held_size` bytes:
 * all files in its folder that agree with it. *ret is malloc'd and ascending, without gaps or overlaps, also when it
 * fails. Errors: NO_MEMORY; FORMAT (one is missing, or there twice, and named).
 */
bool kdump_find_parts(struct image_file *file, const struct kdump_header *header, const uint8_t *held, size_t held_size,
                      struct kdump_part **ret, size_t *count, struct lkmfs_error *err);

#endif
