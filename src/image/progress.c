#include "image/progress.h"

#include <stdio.h>
#include <unistd.h>

struct image_progress image_progress_begin(uint64_t total)
{
    struct image_progress progress = {.total = total};
    (void)clock_gettime(CLOCK_MONOTONIC, &progress.begun);
    return progress;
}

void image_progress_show(struct image_progress *progress, uint64_t done)
{
    double part = progress->total ? (double)done / (double)progress->total : 1.0;
    unsigned percent = part < 1.0 ? (unsigned)(part * 100.0) : 100;
    if (percent == progress->percent)
        return;
    progress->percent = percent;

    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - progress->begun.tv_sec < 2 || !isatty(STDERR_FILENO))
        return;
    progress->shown = true;
    (void)fprintf(stderr, "\rlkmfs: reading the image's index: %u %%", percent);
}

void image_progress_end(const struct image_progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
}
