/*
 * refuse.h - files that are no memory image that lkmfs reads, told by content: each gets one line that names what it
 * is and the way out.
 */
#ifndef LKMFS_IMAGE_REFUSE_H
#define LKMFS_IMAGE_REFUSE_H

#include <stdbool.h>

#include "image/format.h"
#include "lkmfs/error.h"

/*
 * True when nothing speaks against `file`, which no format has claimed, being a raw image. Else FORMAT. Reads a bounded
 * number of bytes whatever the file's size.
 */
bool image_refuse(struct image_file *file, const struct image_head *head, struct lkmfs_error *err);

#endif
