/*
 * lime.c - LiME version 1: records of a 32-byte header and the bytes of one range, in any order. Written by the LiME
 * module (a record per "System RAM" resource) and by AVML (a record per 16 MiB or less, zero blocks left out).
 */
#include <inttypes.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/format.h"

#define LIME_MAGIC        0x4c694d45u /* "EMiL" in the file */
#define LIME_VERSION      1
#define LIME_HEADER_SIZE  32
#define LIME_PAGE_OFFSETS UINT64_C(0xfff)

struct lime_record {
    uint32_t magic;
    uint32_t version;
    uint64_t start; /* physical address of the first byte */
    uint64_t last;  /* physical address of the last byte */
};

enum lime_verdict {
    LIME_RECORD,
    LIME_CUT,     /* the file ends within the header */
    LIME_ZEROS,   /* padding after the last record */
    LIME_GARBAGE, /* no header */
};

static bool lime_probe(const struct image_head *head)
{
    return head->size >= 4 && le32(head->bytes) == LIME_MAGIC;
}

static enum lime_verdict lime_read_header(struct image_file *file, uint64_t offset, struct lime_record *record)
{
    static const uint8_t zeros[LIME_HEADER_SIZE];
    uint8_t bytes[LIME_HEADER_SIZE];
    if (image_file_read(file, offset, bytes, sizeof(bytes)) < sizeof(bytes))
        return LIME_CUT;
    if (memcmp(bytes, zeros, sizeof(bytes)) == 0)
        return LIME_ZEROS;

    struct cursor cursor = cursor_over(bytes, sizeof(bytes));
    record->magic = cursor_u32(&cursor);
    record->version = cursor_u32(&cursor);
    record->start = cursor_u64(&cursor);
    record->last = cursor_u64(&cursor);
    bool valid = record->magic == LIME_MAGIC && record->version == LIME_VERSION && record->start <= record->last &&
                 record->last - record->start != UINT64_MAX;
    return valid ? LIME_RECORD : LIME_GARBAGE;
}

/* True when a record or the end of the file is at `offset`. */
static bool lime_is_boundary(struct image_file *file, uint64_t offset)
{
    uint8_t magic[4];
    if (offset == file->size)
        return true;
    return image_file_read(file, offset, magic, sizeof(magic)) == sizeof(magic) && le32(magic) == LIME_MAGIC;
}

/*
 * Bytes of data of a record whose data begins at `offset`. The last address belongs to the range, but some writers give
 * the one after it: where it ends in 0x000, what follows in the file decides.
 */
static uint64_t lime_data_size(struct image_file *file, uint64_t offset, const struct lime_record *record)
{
    uint64_t exclusive = record->last - record->start;
    uint64_t end;

    if (exclusive == 0 || ((record->start | record->last) & LIME_PAGE_OFFSETS) != 0)
        return exclusive + 1;
    if (add_u64(offset, exclusive, &end) && end <= file->size && lime_is_boundary(file, end) &&
        !lime_is_boundary(file, end + 1))
        return exclusive;
    return exclusive + 1;
}

/* The first header decides whether this can be read at all; a later one only ends the list. */
static bool lime_fail_first(const struct image_file *file, enum lime_verdict verdict, const struct lime_record *record,
                            struct lkmfs_error *err)
{
    if (verdict == LIME_CUT)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a LiME image cut within its first header; copy or acquire it again", file->path);
    if (record->version != LIME_VERSION)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a LiME image of version %" PRIu32
                          ", of which only 1 is known; acquire it with LiME's format=lime or with avml",
                          file->path, record->version);
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s is a LiME image whose first header is damaged (range 0x%" PRIx64 "-0x%" PRIx64
                      "); copy or acquire it again",
                      file->path, record->start, record->last);
}

static void lime_log_end(struct lkmfs_log *log, enum lime_verdict verdict, uint64_t offset, uint64_t left)
{
    switch (verdict) {
    case LIME_CUT:
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "lime: %" PRIu64 " stray bytes at the end, at offset 0x%" PRIx64 ": a header cut short", left,
                      offset);
        break;
    case LIME_ZEROS:
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "lime: an all-zero header at offset 0x%" PRIx64 " ends the list; the last %" PRIu64
                      " bytes are ignored",
                      offset, left);
        break;
    case LIME_GARBAGE:
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "lime: no valid header at offset 0x%" PRIx64 " ends the list; the last %" PRIu64
                      " bytes are ignored",
                      offset, left);
        break;
    case LIME_RECORD:
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "lime: more than %zu records; the last %" PRIu64 " bytes, from offset 0x%" PRIx64 ", are ignored",
                      IMAGE_EXTENTS_MAX, left, offset);
        break;
    }
}

static bool lime_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct image_file *file = image->file;
    uint64_t offset = 0;
    enum lime_verdict verdict = LIME_RECORD;

    for (size_t count = 0; offset < file->size && count < IMAGE_EXTENTS_MAX; count++) {
        struct lime_record record = {0};
        verdict = lime_read_header(file, offset, &record);
        if (verdict != LIME_RECORD && count == 0)
            return lime_fail_first(file, verdict, &record, err);
        if (verdict != LIME_RECORD)
            break;

        uint64_t data = offset + LIME_HEADER_SIZE;
        uint64_t size = lime_data_size(file, data, &record);
        if (!image_extents_add(&image->extents, record.start, data, size))
            return lkmfs_fail_memory(err);
        if (!add_u64(data, size, &offset))
            offset = UINT64_MAX;
    }
    if (offset < file->size)
        lime_log_end(log, verdict, offset, file->size - offset);
    return true;
}

const struct image_format image_format_lime = {
    .name = "LiME",
    .probe = lime_probe,
    .open = lime_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};
