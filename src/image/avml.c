/*
 * avml.c - the Snappy framing format (google/snappy, framing_format.txt) as AVML writes it. A frame holds 64 KiB of
 * memory at most, so an index of the frames is all that random access needs.
 */
#include "image/avml.h"

#include "base/cursor.h"
#include "base/overflow.h"

#define FRAME_HEADER_SIZE 4
#define FRAME_CRC_SIZE    4
#define FRAME_UNPACKED    ((size_t)64 << 10)
#define TRAILER_SIZE      8 /* the frames' length, of no use to who reads forward */

/* snappy_max_compressed_length() of a whole frame */
#define FRAME_PACKED_MAX (32 + FRAME_UNPACKED + FRAME_UNPACKED / 6)

enum frame_type {
    FRAME_PACKED = 0x00,
    FRAME_PLAIN = 0x01,
    FRAME_SKIPPABLE = 0x80, /* this and above, but for the last */
    FRAME_STREAM = 0xff,    /* "sNaPpY" */
};

struct frame {
    uint8_t type;
    uint32_t size;     /* bytes that follow its header */
    uint32_t unpacked; /* bytes of memory, 0 if it holds none */
};

bool avml_prepare(struct image_extents *extents)
{
    if (!extents->cache)
        extents->cache = image_cache_new(FRAME_UNPACKED, IMAGE_CACHE_BYTES);
    extents->packing = IMAGE_PACKING_SNAPPY;
    return extents->cache != NULL;
}

/* A number of seven bits a byte, the lowest first; 0 if it's none. */
static uint32_t read_varint(struct cursor *cursor)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t byte = cursor_u8(cursor);
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    return 0;
}

static enum avml_end frame_read(struct image_file *file, uint64_t offset, struct frame *frame)
{
    uint8_t bytes[FRAME_HEADER_SIZE + FRAME_CRC_SIZE + 4];
    size_t got = image_file_read(file, offset, bytes, sizeof(bytes));
    if (got < FRAME_HEADER_SIZE)
        return AVML_CUT;

    *frame = (struct frame){.type = bytes[0], .size = le32(bytes) >> 8};
    struct cursor cursor = cursor_over(bytes, got);
    cursor_skip(&cursor, FRAME_HEADER_SIZE + FRAME_CRC_SIZE);
    if (frame->type == FRAME_PACKED)
        frame->unpacked = read_varint(&cursor);
    else if (frame->type == FRAME_PLAIN)
        frame->unpacked = frame->size > FRAME_CRC_SIZE ? frame->size - FRAME_CRC_SIZE : 0;
    else
        return frame->type >= FRAME_SKIPPABLE ? AVML_WHOLE : AVML_DAMAGED;

    if (!range_fits(offset + FRAME_HEADER_SIZE, frame->size, file->size))
        return AVML_CUT;
    if (frame->size <= FRAME_CRC_SIZE || frame->size > FRAME_CRC_SIZE + FRAME_PACKED_MAX || frame->unpacked == 0 ||
        frame->unpacked > FRAME_UNPACKED)
        return AVML_DAMAGED;
    return AVML_WHOLE;
}

static bool frame_add(struct image_extents *extents, const struct frame *frame, uint64_t phys, uint64_t offset)
{
    uint64_t data = offset + FRAME_HEADER_SIZE + FRAME_CRC_SIZE;
    if (frame->type == FRAME_PLAIN)
        return image_extents_add(extents, phys, data, frame->unpacked);
    return image_extents_add_packed(extents, phys, data, frame->unpacked, frame->size - FRAME_CRC_SIZE);
}

enum avml_end avml_read_record(struct image_file *file, struct image_extents *extents, uint64_t phys, uint64_t size,
                               uint64_t *offset)
{
    uint64_t done = 0;
    while (done < size) {
        struct frame frame;
        enum avml_end end = frame_read(file, *offset, &frame);
        if (end != AVML_WHOLE)
            return end;
        if (frame.unpacked > size - done) /* more memory than the record is of */
            return AVML_DAMAGED;
        if (frame.unpacked && !frame_add(extents, &frame, phys + done, *offset))
            return AVML_NO_MEMORY;
        done += frame.unpacked;
        *offset += FRAME_HEADER_SIZE + frame.size;
    }
    *offset += TRAILER_SIZE;
    return AVML_WHOLE;
}
