/*
 * fuse_idle.h - notices when nobody has used the mount for a while.
 */
#ifndef LKMFS_FS_FUSE_IDLE_H
#define LKMFS_FS_FUSE_IDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fs/fuse_serve.h"

/* Zero-initialised is ready for use. */
struct fuse_idle {
    atomic_long last; /* seconds of CLOCK_MONOTONIC at the last operation */
    atomic_long open; /* files and folders open now */
    const struct fuse_serve_options *options;
    pthread_t thread;
};

/* To be called by every operation, and with +1 or -1 by those that open or close something. */
void fuse_idle_touch(struct fuse_idle *idle, int opened);

/*
 * Starts a thread that calls options->on_idle whenever options->timeout seconds passed without an operation and with
 * nothing open. False when it can't be started.
 */
bool fuse_idle_start(struct fuse_idle *idle, const struct fuse_serve_options *options);
void fuse_idle_stop(struct fuse_idle *idle);

#endif
