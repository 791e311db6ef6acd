/*
 * file_split.c - one file that was cut into parts: NAME.001, NAME.002 ... or NAME.aa, NAME.ab ... as split(1) and most
 * acquisition tools call them. Any part may be given; all are found beside it.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/overflow.h"
#include "image/file.h"

#define PARTS_MAX  100000
#define SUFFIX_MAX 5
#define HEAD_SIZE  8

/* After how many missing parts a later one is no longer looked for. */
#define GAP_MAX 16

/* How the parts of a file are called. */
struct part_names {
    const char *path; /* of the part that was given */
    size_t stem;      /* bytes of the path before the suffix */
    size_t width;     /* of the suffix */
    bool letters;
};

struct part {
    struct image_file *file;
    uint64_t start; /* offset in the whole */
};

struct split_file {
    struct image_file base; /* first: a struct image_file * of this source points here */
    struct part *parts;
    size_t count, capacity;
};

/* True when the path ends like a part's, whose number then is *index. */
static bool names_parse(const char *path, struct part_names *names, uint64_t *index)
{
    const char *dot = strrchr(path, '.');
    if (!dot || strchr(dot, '/') || strlen(path) >= PATH_MAX)
        return false;
    *names = (struct part_names){.path = path, .stem = (size_t)(dot + 1 - path), .width = strlen(dot + 1)};
    if (names->width < 2 || names->width > SUFFIX_MAX)
        return false;
    names->letters = dot[1] >= 'a' && dot[1] <= 'z';
    uint64_t base = names->letters ? 26 : 10;
    char first = names->letters ? 'a' : '0';
    *index = 0;
    for (const char *c = dot + 1; *c; c++) {
        if (*c < first || (uint64_t)(*c - first) >= base)
            return false;
        *index = *index * base + (uint64_t)(*c - first);
    }
    return true;
}

/* Path of part `index`: as long as the one that was given. */
static void names_part(const struct part_names *names, uint64_t index, char path[PATH_MAX])
{
    unsigned base = names->letters ? 26 : 10;
    strcpy(path, names->path);
    for (size_t i = names->width; i > 0; i--) {
        path[names->stem + i - 1] = (char)((names->letters ? 'a' : '0') + (char)(index % base));
        index /= base;
    }
}

static bool part_exists(const struct part_names *names, uint64_t index)
{
    uint64_t most = 1; /* numbers that the suffix has room for */
    for (size_t i = 0; i < names->width; i++)
        most *= names->letters ? 26 : 10;
    if (index >= most)
        return false;
    char path[PATH_MAX];
    names_part(names, index, path);
    return access(path, F_OK) == 0;
}

static size_t split_find(const struct split_file *split, uint64_t offset)
{
    size_t low = 0;
    size_t high = split->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (split->parts[middle].start <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t split_pread(struct image_file *file, uint64_t offset, void *buffer, size_t size)
{
    const struct split_file *split = (const struct split_file *)file;
    size_t done = 0;
    for (size_t i = split_find(split, offset); i < split->count && done < size; i++) {
        const struct part *part = &split->parts[i];
        uint64_t skip = offset + done - part->start;
        size_t want = (size_t)min_u64(size - done, part->file->size - skip);
        size_t got = image_file_read(part->file, skip, (uint8_t *)buffer + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

static uint64_t split_next_data(struct image_file *file, uint64_t offset)
{
    const struct split_file *split = (const struct split_file *)file;
    for (size_t i = split_find(split, offset); i < split->count; i++) {
        const struct part *part = &split->parts[i];
        uint64_t skip = offset > part->start ? offset - part->start : 0;
        uint64_t data = image_file_next_data(part->file, skip);
        if (data < part->file->size)
            return part->start + data;
    }
    return file->size;
}

static void split_close(struct image_file *file)
{
    struct split_file *split = (struct split_file *)file;
    for (size_t i = 0; i < split->count; i++)
        image_file_close(split->parts[i].file);
    free(split->parts);
    free(split);
}

static const struct image_source split_source = {
    .pread = split_pread,
    .next_data = split_next_data,
    .close = split_close,
};

static bool split_add(struct split_file *split, const struct part_names *names, uint64_t index, struct lkmfs_error *err)
{
    if (!ARRAY_RESERVE(&split->parts, &split->capacity, split->count))
        return lkmfs_fail_memory(err);
    char path[PATH_MAX];
    names_part(names, index, path);
    struct part *part = &split->parts[split->count];
    *part = (struct part){.start = split->base.size};
    if (!image_file_open_local(path, &part->file, err))
        return false;
    split->count++;
    if (!add_u64(split->base.size, part->file->size, &split->base.size))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s and its siblings are too large together", names->path);
    split->base.mtime =
        split->count == 1 || part->file->mtime > split->base.mtime ? part->file->mtime : split->base.mtime;
    return true;
}

static bool fail_missing(const struct part_names *names, uint64_t index, struct lkmfs_error *err)
{
    char path[PATH_MAX];
    names_part(names, index, path);
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s is missing, but parts after it are there; put it beside them, the image is not whole "
                      "without it",
                      path);
}

/* A part beyond one that is not there means that one was lost. */
static bool split_check_end(const struct part_names *names, uint64_t end, struct lkmfs_error *err)
{
    for (uint64_t index = end + 1; index <= end + GAP_MAX; index++)
        if (part_exists(names, index))
            return fail_missing(names, end, err);
    return true;
}

static bool split_open_parts(struct split_file *split, const struct part_names *names, uint64_t first,
                             struct lkmfs_log *log, struct lkmfs_error *err)
{
    uint64_t index = first;
    while (index - first < PARTS_MAX && part_exists(names, index)) {
        if (!split_add(split, names, index++, err))
            return false;
    }
    if (!split_check_end(names, index, err))
        return false;
    for (size_t i = 0; i + 1 < split->count; i++)
        if (split->parts[i].file->size != split->parts[0].file->size)
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "image: part %zu has not the size of the first: cut short?", i + 1);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "image: %zu parts, %" PRIu64 " bytes together", split->count, split->base.size);
    return true;
}

/* Reads how a part begins; zeros where it can't be read. False without memory. */
static bool part_head(const struct part_names *names, uint64_t index, uint8_t head[HEAD_SIZE])
{
    char path[PATH_MAX];
    names_part(names, index, path);
    memset(head, 0, HEAD_SIZE);
    struct image_file *part;
    struct lkmfs_error failure;
    if (!image_file_open_local(path, &part, &failure))
        return failure.code != LKMFS_ERROR_NO_MEMORY;
    if (part->size < HEAD_SIZE || image_file_read(part, 0, head, HEAD_SIZE) < HEAD_SIZE)
        memset(head, 0, HEAD_SIZE);
    image_file_close(part);
    return true;
}

/*
 * Parts that begin alike are images each for itself: makedumpfile --split, or several dumps of one machine. Others are
 * parts of one, and then *ret is true. False without memory.
 */
static bool parts_belong_together(const struct part_names *names, uint64_t one, uint64_t other, bool *ret)
{
    static const uint8_t zeros[HEAD_SIZE];
    uint8_t heads[2][HEAD_SIZE];
    if (!part_head(names, one, heads[0]) || !part_head(names, other, heads[1]))
        return false;
    *ret = memcmp(heads[0], heads[1], HEAD_SIZE) != 0 || memcmp(heads[0], zeros, HEAD_SIZE) == 0;
    return true;
}

bool image_file_is_part(const char *path, bool *ret)
{
    struct part_names names;
    uint64_t given;
    *ret = false;
    if (!names_parse(path, &names, &given) || access(path, F_OK) != 0)
        return true;
    for (uint64_t distance = 1; distance <= GAP_MAX; distance++) {
        if (part_exists(&names, given + distance))
            return parts_belong_together(&names, given, given + distance, ret);
        if (distance <= given && part_exists(&names, given - distance))
            return parts_belong_together(&names, given, given - distance, ret);
    }
    return true;
}

bool image_file_open_split(const char *path, struct lkmfs_log *log, struct image_file **ret, struct lkmfs_error *err)
{
    struct part_names names;
    uint64_t first;
    if (!names_parse(path, &names, &first))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is not called like a part of a file", path);
    while (first > 0 && part_exists(&names, first - 1))
        first--;
    if (first > 1)
        return fail_missing(&names, first - 1, err);

    struct split_file *split = calloc(1, sizeof(*split));
    if (!split)
        return lkmfs_fail_memory(err);
    split->base.source = &split_source;
    split->base.path = strdup(path);
    if (!split->base.path || !split_open_parts(split, &names, first, log, err)) {
        bool memory = !split->base.path;
        image_file_close(&split->base);
        return memory ? lkmfs_fail_memory(err) : false;
    }
    *ret = &split->base;
    return true;
}
