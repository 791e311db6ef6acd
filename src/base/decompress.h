/*
 * decompress.h - reads a file that may be gzip, xz or zstd compressed, as distributions ship .ko files.
 */
#ifndef LKMFS_BASE_DECOMPRESS_H
#define LKMFS_BASE_DECOMPRESS_H

#include <stdio.h>

#include "lkmfs/error.h"

/*
 * Reads `file`, opened at its start, whole and unpacks it when its first bytes say so; at most `limit` bytes come out.
 * `path` is for messages. *ret is malloc'd, for the caller to free. Errors: IO, FORMAT (no regular file, damaged, or
 * larger than `limit`), NO_MEMORY.
 */
bool read_file_unpacked(FILE *file, const char *path, size_t limit, uint8_t **ret, size_t *size,
                        struct lkmfs_error *err);

#endif
