/*
 * fuse_idle.h - unmounts when nobody has used the mount for a while.
 */
#ifndef LKMFS_FS_FUSE_IDLE_H
#define LKMFS_FS_FUSE_IDLE_H

#include <stdatomic.h>
#include <stdbool.h>

/* Zero-initialised is ready for use. */
struct fuse_idle {
    atomic_long last; /* seconds of CLOCK_MONOTONIC at the last operation */
    atomic_long open; /* files and folders open now */
    unsigned timeout; /* seconds */
    const char *mountpoint;
};

/* To be called by every operation, and with +1 or -1 by those that open or close something. */
void fuse_idle_touch(struct fuse_idle *idle, int opened);

/*
 * Starts a thread that unmounts `mountpoint` (absolute; to outlive it) after `timeout` seconds without an operation and
 * with nothing open; a mount that is in use otherwise (somebody's working folder) stays. The thread runs until the
 * process ends. False when it can't be started.
 */
bool fuse_idle_start(struct fuse_idle *idle, unsigned timeout, const char *mountpoint);

#endif
