#include "fs/fuse_readonly.h"

#include <errno.h>

void readonly_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set, struct fuse_file_info *info)
{
    (void)node, (void)attr, (void)to_set, (void)info;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
    (void)parent, (void)name, (void)mode, (void)device;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    (void)parent, (void)name, (void)mode;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    (void)parent, (void)name;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    (void)target, (void)parent, (void)name;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                     unsigned flags)
{
    (void)parent, (void)name, (void)new_parent, (void)new_name, (void)flags;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name)
{
    (void)node, (void)parent, (void)name;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_write(fuse_req_t req, fuse_ino_t node, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)node, (void)bytes, (void)size, (void)offset, (void)info;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info)
{
    (void)parent, (void)name, (void)mode, (void)info;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size, int flags)
{
    (void)node, (void)name, (void)value, (void)size, (void)flags;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
    (void)node, (void)name;
    (void)fuse_reply_err(req, EROFS);
}

void readonly_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t length,
                        struct fuse_file_info *info)
{
    (void)node, (void)mode, (void)offset, (void)length, (void)info;
    (void)fuse_reply_err(req, EROFS);
}
