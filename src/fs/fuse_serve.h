/*
 * fuse_serve.h - answers the kernel's requests from a tree, until the mount is gone.
 */
#ifndef LKMFS_FS_FUSE_SERVE_H
#define LKMFS_FS_FUSE_SERVE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lkmfs/tree.h"

struct fuse_serve_options {
    uid_t uid; /* whose the files are */
    gid_t gid;
    unsigned threads; /* that serve at most; 0: libfuse's default */
    unsigned timeout; /* seconds of idleness before on_idle is called; 0: never */
    void (*on_idle)(void *context);
    void *idle_context;
};

/*
 * Serves the mount whose descriptor of /dev/fuse is `device`, which it closes, until it is unmounted or SIGTERM, SIGINT
 * or SIGHUP comes; both are orderly ends. Errors: IO, NO_MEMORY.
 */
bool fuse_serve(struct lkmfs_tree *tree, int device, const struct fuse_serve_options *options, struct lkmfs_error *err);

#endif
