/*
 * unpack.h - the codecs that images are compressed with, a block at a time.
 */
#ifndef LKMFS_IMAGE_UNPACK_H
#define LKMFS_IMAGE_UNPACK_H

#include <stddef.h>
#include <stdint.h>

enum image_packing {
    IMAGE_PACKING_NONE,
    IMAGE_PACKING_ZLIB,
    IMAGE_PACKING_LZO, /* LZO1X */
    IMAGE_PACKING_SNAPPY,
    IMAGE_PACKING_ZSTD,
};

/* Unpacks `in` whole; returns how many bytes came out, 0 when it is damaged or holds more than `out_size`. */
size_t image_unpack(enum image_packing packing, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

#endif
