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
};

#define KDUMP_STATUS_INCOMPLETE 8
/* A dump_level that leaves out pages of zeros and no others. */
#define KDUMP_LEVEL_ZEROS 1

/*
 * Reads and checks the headers of image->file, and adds to image->hints what its notes say. Errors: NO_MEMORY; FORMAT
 * (32-bit, damaged, or one of a set of files).
 */
bool kdump_read_header(struct lkmfs_image *image, struct kdump_header *ret, struct lkmfs_log *log,
                       struct lkmfs_error *err);

#endif
