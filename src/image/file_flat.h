/*
 * file_flat.h - makedumpfile's flattened form of a file: what was written where, one write after the other, as it goes
 * through a pipe (makedumpfile -F) or out of QEMU (dump-guest-memory -z).
 */
#ifndef LKMFS_IMAGE_FILE_FLAT_H
#define LKMFS_IMAGE_FILE_FLAT_H

#include "image/file.h"

/* True when a file that begins with these bytes is flattened. */
bool image_file_is_flat(const void *head, size_t size);

/*
 * Presents the file that `inner` is the flattened form of; needs one pass over the headers of its parts. Owns `inner`
 * from here on, also when it fails. Errors: NO_MEMORY, FORMAT.
 */
bool image_file_open_flat(struct image_file *inner, struct lkmfs_log *log, struct image_file **ret,
                          struct lkmfs_error *err);

#endif
