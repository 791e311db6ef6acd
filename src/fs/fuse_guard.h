/*
 * fuse_guard.h - a mount is made by two processes: the server parses the image and answers the kernel, for which it
 * needs no right once the image is open; its guard mounts and unmounts, and sees no byte of the image. Should the
 * server die, the guard unmounts; should the guard, the server dies with it.
 */
#ifndef LKMFS_FS_FUSE_GUARD_H
#define LKMFS_FS_FUSE_GUARD_H

#include <stdbool.h>

#include "lkmfs/error.h"

/* The server's link to its guard, for the two functions below. */
struct fuse_link {
    int socket;
    int null; /* /dev/null, opened while it could be */
};

/* What the server does, in a process of its own; returns its exit code. */
typedef int fuse_server_fn(void *context, const struct fuse_link *link);

struct fuse_guard_options {
    const char *source; /* what mount(8) shows: the image's absolute path */
    bool foreground;
    bool allow_other;
    /* The absolute path to mount on, called in the guard when the server is ready. NULL on failure. */
    const char *(*mountpoint)(void *context, struct lkmfs_error *err);
    fuse_server_fn *serve;
    void *context; /* of both */
};

/*
 * Runs the server, mounts when it is ready, and unmounts at the end: when the server's process ended, or on SIGTERM,
 * SIGINT or SIGHUP. Unless in the foreground, the calling process returns as soon as it is mounted, and two others go
 * on in the background. *status is the exit code of the server; 0 in the calling process when all went well. Errors:
 * IO, NO_MEMORY; nothing stays mounted.
 */
bool fuse_guard_run(const struct fuse_guard_options *options, int *status, struct lkmfs_error *err);

/*
 * For the server: says that it could serve, and waits for the mount. Returns its descriptor of /dev/fuse; -1 when there
 * will be none, and the guard said why.
 */
int fuse_guard_ready(const struct fuse_link *link);

/* For the server, from any thread: asks for the mount to be taken away if nobody uses it. */
void fuse_guard_idle(const struct fuse_link *link);

#endif
