/*
 * fuse_mount.h - a mount: where, how, and who takes it away again.
 */
#ifndef LKMFS_FS_FUSE_MOUNT_H
#define LKMFS_FS_FUSE_MOUNT_H

#include <stdbool.h>

#include "lkmfs/error.h"

/*
 * The absolute path of folder `path` to mount on, malloc'd; NULL when it is missing, no folder, or (without `nonempty`)
 * not empty. Errors: IO, NO_MEMORY; one line.
 */
char *fuse_mount_point(const char *path, bool nonempty, struct lkmfs_error *err);

struct fuse_session;

/*
 * Mounts on `mountpoint` (absolute); `source` (the image's absolute path) is what mount(8) shows. Returns the session
 * that holds the mount, whose descriptor is fuse_session_fd()'s; NULL on failure. Errors: IO, NO_MEMORY.
 */
struct fuse_session *fuse_mount_begin(const char *source, const char *mountpoint, bool allow_other,
                                      struct lkmfs_error *err);

/* Unmounts unless nobody is to be bothered: false while the mount is in use. By fusermount3(1) for who is not root. */
bool fuse_mount_try_end(const char *mountpoint);

/* Unmounts unless that was done, lazily: who still has files open sees errors. Frees the session. */
void fuse_mount_end(struct fuse_session *session);

#endif
