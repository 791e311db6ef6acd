/*
 * failure.h - notes reads that the host failed, so that nobody takes them for holes; see lkmfs_image_failures().
 */
#ifndef LKMFS_IMAGE_FAILURE_H
#define LKMFS_IMAGE_FAILURE_H

#include <stdint.h>

/* Notes a failure of the calling thread at file offset `offset`; `error` is an errno, 0 when the file ended too early.
 */
void image_failure_note(uint64_t offset, int error);

#endif
