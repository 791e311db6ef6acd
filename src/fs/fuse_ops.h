/*
 * fuse_ops.h - the tree as operations of libfuse's low-level interface.
 *
 * The image never changes, so the kernel is told to keep names, attributes, contents and absences for ever; not so for
 * the log, which gets longer when the host fails.
 */
#ifndef LKMFS_FS_FUSE_OPS_H
#define LKMFS_FS_FUSE_OPS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <sys/types.h>
#include <time.h>

#include "fs/fuse_idle.h"
#include "lkmfs/tree.h"

/* The user data of the session. */
struct fuse_state {
    struct lkmfs_tree *tree;
    uid_t uid;
    gid_t gid;
    time_t mtime;
    struct fuse_idle idle;
};

extern const struct fuse_lowlevel_ops fuse_operations;

#endif
