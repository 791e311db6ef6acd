/*
 * content.h - a glance at what a file without any known header is made of.
 */
#ifndef LKMFS_IMAGE_CONTENT_H
#define LKMFS_IMAGE_CONTENT_H

#include "image/file.h"

enum image_content {
    IMAGE_CONTENT_OTHER, /* may be memory */
    IMAGE_CONTENT_TEXT,
    IMAGE_CONTENT_ZEROS,
};

/*
 * Judges by the start of the file and by samples from all of it: a real image is seen to be neither text nor zeros
 * within a few pages, and any other costs a bounded number of reads.
 */
enum image_content image_content_judge(struct image_file *file);

#endif
