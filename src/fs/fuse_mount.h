/*
 * fuse_mount.h - mounts a tree and serves it until it is unmounted.
 */
#ifndef LKMFS_FS_FUSE_MOUNT_H
#define LKMFS_FS_FUSE_MOUNT_H

#include <stdbool.h>

#include "lkmfs/tree.h"

struct fuse_mount_options {
    const char *source;     /* what mount(8) shows: the image's absolute path */
    const char *mountpoint; /* absolute, as fuse_mount_point() returns it */
    bool foreground;
    bool allow_other;
    unsigned threads; /* that serve at most; 0: libfuse's default */
    unsigned timeout; /* seconds of idleness before unmounting; 0: never */
};

/*
 * The absolute path of folder `path` to mount on, malloc'd; NULL when it is missing, no folder, or (without `nonempty`)
 * not empty. Errors: IO, NO_MEMORY; one line.
 */
char *fuse_mount_point(const char *path, bool nonempty, struct lkmfs_error *err);

/*
 * Mounts and, unless in the foreground, goes on in the background: then the calling process ends with exit code 0 and
 * only the daemon returns from here. Returns true after an orderly unmount. Errors: IO, NO_MEMORY; nothing stays
 * mounted.
 */
bool fuse_mount_run(struct lkmfs_tree *tree, const struct fuse_mount_options *options, struct lkmfs_error *err);

#endif
