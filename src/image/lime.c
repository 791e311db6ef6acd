/*
 * lime.c - LiME version 1: records of a 32-byte header and the bytes of one range, in any order. Written by the LiME
 * module (a record per "System RAM" resource) and by AVML (a record per 16 MiB or less, zero blocks left out), which
 * compresses them when told to (version 2). Both kinds of record may be in one file.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/avml.h"
#include "image/format.h"
#include "image/progress.h"

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
    LIME_CUT,     /* the file ends within the header, or within a compressed record */
    LIME_ZEROS,   /* padding after the last record */
    LIME_GARBAGE, /* no header */
    LIME_FRAMES,  /* a compressed record is damaged */
};

static bool lime_probe(const struct image_head *head)
{
    return head->size >= 4 && le32(head->bytes) == LIME_MAGIC;
}

static bool avml_probe(const struct image_head *head)
{
    return head->size >= 4 && le32(head->bytes) == AVML_MAGIC;
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
    bool known = (record->magic == LIME_MAGIC && record->version == LIME_VERSION) ||
                 (record->magic == AVML_MAGIC && record->version == AVML_VERSION);
    bool valid = record->start <= record->last && record->last - record->start != UINT64_MAX;
    return known && valid ? LIME_RECORD : LIME_GARBAGE;
}

/* True when a record or the end of the file is at `offset`. */
static bool lime_is_boundary(struct image_file *file, uint64_t offset)
{
    uint8_t magic[4];
    if (offset == file->size)
        return true;
    return image_file_read(file, offset, magic, sizeof(magic)) == sizeof(magic) &&
           (le32(magic) == LIME_MAGIC || le32(magic) == AVML_MAGIC);
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
static bool lime_fail_first(const struct lkmfs_image *image, enum lime_verdict verdict,
                            const struct lime_record *record, struct lkmfs_error *err)
{
    const char *name = image->format->name;
    bool known = record->version == (record->magic == AVML_MAGIC ? AVML_VERSION : LIME_VERSION);

    if (verdict == LIME_CUT)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a %s image cut within its first header; copy or acquire it again", image->file->path,
                          name);
    if (!known)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a %s image of version %" PRIu32
                          ", of which only %d is known; acquire it with LiME's format=lime or with avml",
                          image->file->path, name, record->version,
                          record->magic == AVML_MAGIC ? AVML_VERSION : LIME_VERSION);
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s is a %s image whose first header is damaged (range 0x%" PRIx64 "-0x%" PRIx64
                      "); copy or acquire it again",
                      image->file->path, name, record->start, record->last);
}

static void lime_log_end(struct lkmfs_log *log, enum lime_verdict verdict, uint64_t offset, uint64_t left)
{
    static const char *const reasons[] = {
        [LIME_RECORD] = "more ranges than are accepted",
        [LIME_CUT] = "a header or a compressed range cut short",
        [LIME_ZEROS] = "an all-zero header",
        [LIME_GARBAGE] = "no valid header",
        [LIME_FRAMES] = "a damaged compressed range",
    };
    lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                  "lime: %s at offset 0x%" PRIx64 " ends the list; the last %" PRIu64 " bytes are ignored",
                  reasons[verdict], offset, left);
}

/* Adds the memory of the record whose header is at *offset, and moves *offset past it; false without memory. */
static bool lime_add_record(struct lkmfs_image *image, const struct lime_record *record, uint64_t *offset,
                            enum lime_verdict *verdict)
{
    struct image_file *file = image->file;
    uint64_t data = *offset + LIME_HEADER_SIZE;

    if (record->magic == LIME_MAGIC) {
        uint64_t size = lime_data_size(file, data, record);
        if (!add_u64(data, size, offset))
            *offset = UINT64_MAX;
        return image_extents_add(&image->extents, record->start, data, size);
    }
    if (!avml_prepare(&image->extents))
        return false;
    *offset = data;
    enum avml_end end =
        avml_read_record(file, &image->extents, record->start, record->last - record->start + 1, offset);
    if (end == AVML_CUT || end == AVML_DAMAGED)
        *verdict = end == AVML_CUT ? LIME_CUT : LIME_FRAMES;
    return end != AVML_NO_MEMORY;
}

static bool lime_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct image_file *file = image->file;
    struct image_progress progress = image_progress_begin(file->size);
    enum lime_verdict verdict = LIME_RECORD;
    uint64_t offset = 0;

    while (offset < file->size && image->extents.count < IMAGE_EXTENTS_MAX) {
        struct lime_record record = {0};
        verdict = lime_read_header(file, offset, &record);
        if (verdict != LIME_RECORD && offset == 0)
            return lime_fail_first(image, verdict, &record, err);
        if (verdict == LIME_RECORD && !lime_add_record(image, &record, &offset, &verdict))
            return lkmfs_fail_memory(err);
        if (verdict != LIME_RECORD)
            break;
        image_progress_show(&progress, offset);
    }
    image_progress_end(&progress);
    if (offset < file->size || verdict != LIME_RECORD)
        lime_log_end(log, verdict, offset, offset < file->size ? file->size - offset : 0);
    if (image->extents.cache)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "avml: compressed; its index took one pass over %zu frames",
                      image->extents.count);
    return true;
}

const struct image_format image_format_lime = {
    .name = "LiME",
    .probe = lime_probe,
    .open = lime_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};

const struct image_format image_format_avml = {
    .name = "AVML",
    .probe = avml_probe,
    .open = lime_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};
