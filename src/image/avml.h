/*
 * avml.h - one compressed record of AVML version 2: a LiME-like header, Snappy frames, and the frames' length.
 */
#ifndef LKMFS_IMAGE_AVML_H
#define LKMFS_IMAGE_AVML_H

#include <stdbool.h>
#include <stdint.h>

#include "image/extents.h"

#define AVML_MAGIC   0x4c4d5641u /* "AVML" in the file */
#define AVML_VERSION 2

enum avml_end {
    AVML_WHOLE,     /* all of the record's memory is there */
    AVML_CUT,       /* the file ends within the record */
    AVML_DAMAGED,   /* what should be a frame is none */
    AVML_NO_MEMORY, /* the host's */
};

/*
 * Adds to `extents` the memory at `phys`, `size` bytes when unpacked, of the record whose frames begin at *offset of
 * `file`, and moves *offset to the next record's header, or to where it went wrong: what came before that is kept.
 */
enum avml_end avml_read_record(struct image_file *file, struct image_extents *extents, uint64_t phys, uint64_t size,
                               uint64_t *offset);

/* Prepares `extents` for compressed records. False without memory. */
bool avml_prepare(struct image_extents *extents);

#endif
