/*
 * The files of makedumpfile --split: each has all headers and the whole bitmap, but the pages of one range only. They
 * may be called anything, so what lies in the same folder is told by its content.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/overflow.h"
#include "image/advice.h"
#include "image/kdump.h"

/* Bounds the search in a folder full of other files. */
#define FILES_MAX 65536

/* What the files of one dump have in common begins with this. */
#define COMMON_SIZE 464

struct search {
    struct image_file *file;
    const struct kdump_header *header;
    const uint8_t *held;
    size_t held_size;
    struct kdump_part *parts;
    size_t count, capacity;
};

static bool same_bytes(struct image_file *file, uint64_t offset, const uint8_t *bytes, size_t size)
{
    uint8_t block[4096];
    for (size_t done = 0; done < size;) {
        size_t part = (size_t)min_u64(sizeof(block), size - done);
        if (image_file_read(file, offset + done, block, part) < part || memcmp(block, bytes + done, part) != 0)
            return false;
        done += part;
    }
    return true;
}

/* True when `file` is of the same dump; then *ret has its headers. */
static bool is_of_dump(const struct search *search, struct image_file *file, struct kdump_header *ret)
{
    uint8_t common[COMMON_SIZE];
    size_t whole = search->held_size - 1; /* bits beyond the last page are cleared in the copy */
    return image_file_read(search->file, 0, common, sizeof(common)) == sizeof(common) &&
           same_bytes(file, 0, common, sizeof(common)) && kdump_peek_header(file, ret) && ret->split &&
           ret->pages == search->header->pages && ret->held == search->header->held &&
           same_bytes(file, ret->held, search->held, whole);
}

static bool add_part(struct search *search, struct image_file *file, const struct kdump_header *header)
{
    if (!ARRAY_RESERVE(&search->parts, &search->capacity, search->count))
        return false;
    search->parts[search->count++] =
        (struct kdump_part){.file = file, .first = header->first, .end = header->end, .table = header->table};
    return true;
}

/* Adds NAME in the folder of the given file if it belongs to it. False without memory. */
static bool consider(struct search *search, int folder, const char *folder_name, const char *name)
{
    struct stat st, given;
    if (fstatat(folder, name, &st, 0) != 0 || !S_ISREG(st.st_mode) || st.st_size < COMMON_SIZE)
        return true;
    /* The given one is open already. */
    if (stat(search->file->path, &given) == 0 && given.st_dev == st.st_dev && given.st_ino == st.st_ino)
        return true;
    char *path = NULL;
    struct image_file *file = NULL;
    struct kdump_header header;
    if (asprintf(&path, "%s/%s", folder_name, name) < 0)
        return false;
    bool opened = image_file_open_local(path, &file, NULL);
    free(path);
    if (!opened)
        return true;
    if (!is_of_dump(search, file, &header)) {
        image_file_close(file);
        return true;
    }
    if (add_part(search, file, &header))
        return true;
    image_file_close(file);
    return false;
}

static bool search_folder(struct search *search)
{
    const char *path = search->file->path;
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    DIR *folder = name ? opendir(name) : NULL;
    bool ok = name != NULL;
    const struct dirent *entry;
    for (unsigned i = 0; ok && folder && i < FILES_MAX && (entry = readdir(folder)) != NULL; i++)
        ok = consider(search, dirfd(folder), name, entry->d_name);
    if (folder)
        (void)closedir(folder);
    free(name);
    return ok;
}

static int compare_parts(const void *left, const void *right)
{
    const struct kdump_part *a = left;
    const struct kdump_part *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* What a part is probably called whose number differs by `step` from that in the last part of `path`; "" if none. */
static void guess_name(const char *path, int step, char *name, size_t size)
{
    const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t end = strlen(file);
    while (end > 0 && !isdigit((unsigned char)file[end - 1]))
        end--;
    size_t start = end;
    while (start > 0 && isdigit((unsigned char)file[start - 1]))
        start--;
    long number = strtol(file + start, NULL, 10) + step;
    name[0] = '\0';
    if (end > start && end - start < 9 && number >= 0)
        (void)snprintf(name, size, "%.*s%0*ld%s, ", (int)start, file, (int)(end - start), number, file + end);
}

static bool fail_missing(const struct search *search, const struct kdump_part *neighbour, int step, uint64_t first,
                         uint64_t end, struct lkmfs_error *err)
{
    char name[300];
    guess_name(neighbour->file->path, step, name, sizeof(name));
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s is one of several files of makedumpfile --split, and %sthe one with pages 0x%" PRIx64
                      " to 0x%" PRIx64 ", is missing; put it beside the others",
                      image_advice_name(search->file->path), name, first, end - 1);
}

static bool check_parts(const struct search *search, struct lkmfs_error *err)
{
    uint64_t next = 0;
    for (size_t i = 0; i < search->count; i++) {
        const struct kdump_part *part = &search->parts[i];
        if (part->first > next)
            return i ? fail_missing(search, part - 1, 1, next, part->first, err)
                     : fail_missing(search, part, -1, next, part->first, err);
        if (part->first < next && part->end > part->first)
            return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                              "%s and %s hold the same pages of one dump of makedumpfile --split; leave only one of "
                              "them in the folder",
                              image_advice_name(search->parts[i - 1].file->path), image_advice_name(part->file->path));
        next = max_u64(next, part->end);
    }
    if (next < search->header->pages)
        return fail_missing(search, &search->parts[search->count - 1], 1, next, search->header->pages, err);
    return true;
}

bool kdump_find_parts(struct image_file *file, const struct kdump_header *header, const uint8_t *held, size_t held_size,
                      struct kdump_part **ret, size_t *count, struct lkmfs_error *err)
{
    struct search search = {.file = file, .header = header, .held = held, .held_size = held_size};
    bool memory = add_part(&search, file, header) && (!header->split || search_folder(&search));
    if (search.count)
        qsort(search.parts, search.count, sizeof(*search.parts), compare_parts);
    *ret = search.parts;
    *count = search.count;
    return memory ? check_parts(&search, err) : lkmfs_fail_memory(err);
}
