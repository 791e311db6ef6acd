/*
 * fuse_readonly.h - every operation that would change something: EROFS.
 *
 * The kernel refuses them already, as the mount is read-only; this is for mounts that somebody made writable.
 */
#ifndef LKMFS_FS_FUSE_READONLY_H
#define LKMFS_FS_FUSE_READONLY_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

void readonly_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set, struct fuse_file_info *info);
void readonly_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void readonly_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void readonly_remove(fuse_req_t req, fuse_ino_t parent, const char *name);
void readonly_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void readonly_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                     unsigned flags);
void readonly_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char *name);
void readonly_write(fuse_req_t req, fuse_ino_t node, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info);
void readonly_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info);
void readonly_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size, int flags);
void readonly_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);
void readonly_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t length,
                        struct fuse_file_info *info);

/* Members of struct fuse_lowlevel_ops. */
#define FUSE_READONLY_OPERATIONS                                                                                       \
    .setattr = readonly_setattr, .mknod = readonly_mknod, .mkdir = readonly_mkdir, .unlink = readonly_remove,          \
    .rmdir = readonly_remove, .symlink = readonly_symlink, .rename = readonly_rename, .link = readonly_link,           \
    .write = readonly_write, .create = readonly_create, .setxattr = readonly_setxattr,                                 \
    .removexattr = readonly_removexattr, .fallocate = readonly_fallocate

#endif
