/*
 * progress.h - for the formats that must be read through once to know what lies where.
 */
#ifndef LKMFS_IMAGE_PROGRESS_H
#define LKMFS_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct image_progress {
    uint64_t total; /* bytes to go through */
    unsigned percent;
    bool shown;
    struct timespec begun;
};

struct image_progress image_progress_begin(uint64_t total);
/* Shows how far it is, on a terminal and when it takes longer than a second. */
void image_progress_show(struct image_progress *progress, uint64_t done);
void image_progress_end(const struct image_progress *progress);

#endif
