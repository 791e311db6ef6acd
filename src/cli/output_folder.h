/*
 * output_folder.h - writes whole files into one folder of the host, and nowhere else.
 */
#ifndef LKMFS_CLI_OUTPUT_FOLDER_H
#define LKMFS_CLI_OUTPUT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "lkmfs/error.h"

/* Opens folder `path`, which is made when it is missing. Returns a descriptor to close(2), -1 on failure. Errors: IO.
 */
int output_folder_open(const char *path, struct lkmfs_error *err);

/*
 * Writes file `name` (no '/') in the folder: under a temporary name first, so that a file of that name is either whole
 * or not there. A link of that name is replaced, not followed. Safe from several threads. Errors: IO.
 */
bool output_folder_write(int folder, const char *name, const void *bytes, size_t size, struct lkmfs_error *err);

#endif
