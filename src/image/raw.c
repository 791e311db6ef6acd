/*
 * raw.c - memory byte for byte: the offset in the file is the physical address. Written by QEMU's pmemsave and
 * memory-backend-file, by LiME with format=padded, and by dd.
 */
#include "base/overflow.h"
#include "image/format.h"

/* RFC 1950. Two bytes prove nothing, so this is only worth a line in the log. */
static bool raw_is_like_zlib(struct image_file *file)
{
    uint8_t head[2];
    if (image_file_read(file, 0, head, sizeof(head)) < sizeof(head))
        return false;
    return (head[0] & 0x8f) == 0x08 && (head[1] & 0x20) == 0 && (head[0] << 8 | head[1]) % 31 == 0;
}

static bool raw_set_hole(struct lkmfs_image *image, const struct lkmfs_hole *hole)
{
    uint64_t size = image->file->size;
    uint64_t below = hole ? min_u64(hole->start, size) : size;

    image_extents_destroy(&image->extents);
    return image_extents_add(&image->extents, 0, 0, below) &&
           (!hole || image_extents_add(&image->extents, hole->end, below, size - below));
}

static bool raw_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    if (raw_is_like_zlib(image->file))
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "image: begins like a zlib stream, which LiME writes with compress=1; if no kernel is found, "
                      "unpack it with pigz -dc < IN > OUT");
    if (!raw_set_hole(image, NULL))
        return lkmfs_fail_memory(err);
    return true;
}

const struct image_format image_format_raw = {
    .name = "raw",
    .open = raw_open,
    .set_hole = raw_set_hole,
    .hole_unknown = true,
    .overlap_kind = LKMFS_LOG_DOUBT,
};
