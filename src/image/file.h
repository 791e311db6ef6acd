/*
 * file.h - the bytes an image comes from: a file or block device, a file cut into parts, a server, or a file whose
 * parts lie out of order.
 */
#ifndef LKMFS_IMAGE_FILE_H
#define LKMFS_IMAGE_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lkmfs/error.h"

struct image_file;

/* A part of a file. */
struct image_span {
    uint64_t offset, size;
};

/* One kind of source. All functions may be called from several threads at once, but for close. */
struct image_source {
    /*
     * Reads `size` bytes at `offset`, which the file had when it was opened; returns how many there are. Fewer are a
     * failure of the host, and errno then says why: 0 where the file ends.
     */
    size_t (*pread)(struct image_file *file, uint64_t offset, void *buffer, size_t size);
    /* Offset of the first byte at or after `offset` that is not in a hole; the file's size if there is none. */
    uint64_t (*next_data)(struct image_file *file, uint64_t offset);
    /* Fetches the parts of the file that will be read soon, all at once; NULL where that is no faster. */
    void (*prefetch)(struct image_file *file, const struct image_span *spans, size_t count);
    bool counts; /* counts bytes_read itself, as it keeps some */
    /* Frees what the source added to *file and the memory of *file itself. */
    void (*close)(struct image_file *file);
};

/* A source embeds this as its first member and fills it when it opens. */
struct image_file {
    const struct image_source *source;
    char *path;    /* as the user gave it, for messages; owned */
    uint64_t size; /* bytes */
    time_t mtime;
    _Atomic uint64_t bytes_read;
    _Atomic uint64_t damaged; /* compressed blocks that could not be unpacked so far */
};

/*
 * Opens whatever `path` names: one of the below, told by its name. Errors: those of the below.
 */
bool image_file_open(const char *path, struct lkmfs_log *log, struct image_file **ret, struct lkmfs_error *err);

/*
 * Opens a regular file or block device read-only. Errors: NO_MEMORY; IO (missing, not readable); FORMAT (a directory, a
 * pipe, empty).
 */
bool image_file_open_local(const char *path, struct image_file **ret, struct lkmfs_error *err);

/*
 * Sets *ret to whether `path` is called like a part of a file that was cut into several, and others lie beside it.
 * False without memory.
 */
bool image_file_is_part(const char *path, bool *ret);

/* Opens that file, whichever part `path` is. Errors: NO_MEMORY, IO, FORMAT (a part is missing, which is named). */
bool image_file_open_split(const char *path, struct lkmfs_log *log, struct image_file **ret, struct lkmfs_error *err);

/* True when `path` is the URI of an NBD server. */
bool image_file_is_remote(const char *path);

/* Opens what an NBD server exports. Errors: NO_MEMORY, IO (no answer), FORMAT (empty, or built without libnbd). */
bool image_file_open_remote(const char *uri, struct image_file **ret, struct lkmfs_error *err);

/* Accepts NULL. */
void image_file_close(struct image_file *file);

/*
 * Reads up to `size` bytes at `offset` and counts them; fewer than `size` at the end, and where reading fails, which is
 * noted (failure.h).
 */
size_t image_file_read(struct image_file *file, uint64_t offset, void *buffer, size_t size);

/* True when image_file_prefetch() does something. */
bool image_file_prefetches(const struct image_file *file);
/* See struct image_source; parts beyond the end are cut off. */
void image_file_prefetch(struct image_file *file, const struct image_span *spans, size_t count);

/* See struct image_source. */
uint64_t image_file_next_data(struct image_file *file, uint64_t offset);

#endif
