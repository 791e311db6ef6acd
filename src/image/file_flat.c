#include "image/file_flat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cursor.h"
#include "base/overflow.h"
#include "image/painter.h"
#include "image/progress.h"

#define FLAT_SIGNATURE   "makedumpfile\0\0\0"
#define FLAT_FIRST       4096 /* offset of the first part */
#define FLAT_HEADER_SIZE 16
#define FLAT_TYPE        1
#define FLAT_VERSION     1
#define FLAT_END         UINT64_MAX /* offset of the part that ends it */

/* Bounds what a hostile file can claim; QEMU writes 16 KiB at a time: 128 GiB. */
#define FLAT_PARTS_MAX ((size_t)1 << 23)

struct flat_file {
    struct image_file base; /* first: a struct image_file * of this source points here */
    struct image_file *inner;
    struct painted *parts;
    size_t count;
};

bool image_file_is_flat(const void *head, size_t size)
{
    return size >= sizeof(FLAT_SIGNATURE) && memcmp(head, FLAT_SIGNATURE, sizeof(FLAT_SIGNATURE)) == 0;
}

/* What nothing was written to reads as zeros. */
static size_t flat_pread(struct image_file *file, uint64_t offset, void *buffer, size_t size)
{
    const struct flat_file *flat = (const struct flat_file *)file;
    size_t done = 0;
    for (size_t i = painted_find(flat->parts, flat->count, offset); done < size; i++) {
        uint64_t at = offset + done;
        const struct painted *part = i < flat->count ? &flat->parts[i] : NULL;
        if (!part || part->start > at) {
            size_t gap = (size_t)(part ? min_u64(size - done, part->start - at) : size - done);
            memset((uint8_t *)buffer + done, 0, gap);
            done += gap;
        }
        if (!part || done == size)
            break;
        uint64_t skip = offset + done - part->start;
        size_t want = (size_t)min_u64(size - done, part->size - skip);
        size_t got = image_file_read(flat->inner, part->source + skip, (uint8_t *)buffer + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

static uint64_t flat_next_data(struct image_file *file, uint64_t offset)
{
    const struct flat_file *flat = (const struct flat_file *)file;
    size_t i = painted_find(flat->parts, flat->count, offset);
    return i < flat->count ? max_u64(offset, flat->parts[i].start) : file->size;
}

static void flat_close(struct image_file *file)
{
    struct flat_file *flat = (struct flat_file *)file;
    image_file_close(flat->inner);
    free(flat->parts);
    free(flat);
}

static const struct image_source flat_source = {
    .pread = flat_pread,
    .next_data = flat_next_data,
    .close = flat_close,
};

enum flat_verdict {
    FLAT_PART,
    FLAT_LAST,
    FLAT_CUT,
    FLAT_SHORT, /* a part, but not all of it is there */
    FLAT_ABSURD,
};

static const char *const flat_problems[] = {
    [FLAT_CUT] = "it ends without its end mark: cut short?",
    [FLAT_SHORT] = "its last part is cut short",
    [FLAT_ABSURD] = "a part's place makes no sense; what follows is ignored",
};

static enum flat_verdict flat_read_header(struct image_file *inner, uint64_t at, struct painted *part)
{
    uint8_t bytes[FLAT_HEADER_SIZE];
    if (image_file_read(inner, at, bytes, sizeof(bytes)) < sizeof(bytes))
        return FLAT_CUT;
    struct cursor cursor = cursor_over(bytes, sizeof(bytes));
    part->start = cursor_u64be(&cursor);
    part->size = cursor_u64be(&cursor);
    part->source = at + FLAT_HEADER_SIZE;
    if (part->start == FLAT_END)
        return FLAT_LAST;
    if (!range_fits(part->start, part->size, INT64_MAX))
        return FLAT_ABSURD;
    if (range_fits(part->source, part->size, inner->size))
        return FLAT_PART;
    part->size = inner->size - part->source;
    return FLAT_SHORT;
}

/* Lists the parts. False without memory. */
static bool flat_list(struct flat_file *flat, struct painter *painter, struct lkmfs_log *log)
{
    struct image_file *inner = flat->inner;
    struct image_progress progress = image_progress_begin(inner->size);
    uint64_t at = FLAT_FIRST;
    const char *problem = NULL;

    while (!problem && painter->count < FLAT_PARTS_MAX) {
        struct painted part;
        enum flat_verdict verdict = flat_read_header(inner, at, &part);
        if (verdict == FLAT_LAST)
            break;
        problem = flat_problems[verdict];
        if (verdict != FLAT_PART && verdict != FLAT_SHORT)
            break;
        if (!painter_add(painter, part.start, part.size, part.source))
            return false;
        flat->base.size = max_u64(flat->base.size, part.start + part.size);
        at = part.source + part.size;
        image_progress_show(&progress, at);
    }
    image_progress_end(&progress);
    if (painter->count == FLAT_PARTS_MAX)
        problem = "it has more parts than are accepted; what follows is ignored";
    if (problem)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "flattened: at offset 0x%" PRIx64 ": %s", at, problem);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "flattened: its index took one pass over %zu parts", painter->count);
    return true;
}

static bool flat_check(const struct flat_file *flat, struct lkmfs_error *err)
{
    uint8_t bytes[FLAT_HEADER_SIZE];
    struct cursor cursor =
        cursor_over(bytes, image_file_read(flat->inner, sizeof(FLAT_SIGNATURE), bytes, sizeof(bytes)));
    uint64_t type = cursor_u64be(&cursor);
    uint64_t version = cursor_u64be(&cursor);
    if (!cursor.overrun && type == FLAT_TYPE && version == FLAT_VERSION)
        return true;
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, sizeof(FLAT_SIGNATURE),
                      "%s is a flattened makedumpfile dump with a damaged header (type %" PRIu64 ", version %" PRIu64
                      "); copy it again",
                      flat->inner->path, type, version);
}

bool image_file_open_flat(struct image_file *inner, struct lkmfs_log *log, struct image_file **ret,
                          struct lkmfs_error *err)
{
    struct flat_file *flat = calloc(1, sizeof(*flat));
    if (!flat) {
        image_file_close(inner);
        return lkmfs_fail_memory(err);
    }
    flat->base.source = &flat_source;
    flat->base.mtime = inner->mtime;
    flat->inner = inner;
    flat->base.path = strdup(inner->path);

    struct painter painter = {0};
    bool memory = flat->base.path != NULL;
    bool ok = memory && flat_check(flat, err);
    if (ok)
        memory = flat_list(flat, &painter, log) && painter_finish(&painter, &flat->parts, &flat->count);
    painter_destroy(&painter);
    if (ok && memory && flat->count == 0)
        ok = lkmfs_fail(err, LKMFS_ERROR_FORMAT, FLAT_FIRST,
                        "%s is a flattened makedumpfile dump that holds nothing; it was cut short, so copy it again",
                        inner->path);
    if (ok && memory) {
        *ret = &flat->base;
        return true;
    }
    image_file_close(&flat->base);
    return memory ? false : lkmfs_fail_memory(err);
}
