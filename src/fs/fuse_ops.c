#include "fs/fuse_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/fuse_readonly.h"

#define BLOCK 4096

/* The place where errors become numbers. */
static int to_errno(const struct lkmfs_error *err)
{
    switch (err->code) {
    case LKMFS_ERROR_NO_MEMORY:
        return ENOMEM;
    case LKMFS_ERROR_NOT_FOUND:
        return ENOENT;
    default:
        return EIO;
    }
}

static struct fuse_state *state_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* Starts an operation: the tree it works on. */
static struct lkmfs_tree *begin(fuse_req_t req)
{
    struct fuse_state *state = state_of(req);
    fuse_idle_touch(&state->idle, 0);
    return state->tree;
}

static void operation_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    if (conn->capable & FUSE_CAP_CACHE_SYMLINKS)
        conn->want |= FUSE_CAP_CACHE_SYMLINKS;
}

/* How long the kernel may keep attributes. */
static double keep(lkmfs_node node)
{
    return lkmfs_tree_grows(node) ? 0 : DBL_MAX;
}

/* Fills in the attributes of `node`; 0 or an errno. Builds a file whose size is not known yet. */
static int get_attributes(const struct fuse_state *state, lkmfs_node node, struct stat *attr)
{
    struct lkmfs_error err;
    enum lkmfs_node_kind kind;
    uint64_t size;
    if (!lkmfs_tree_kind(state->tree, node, &kind))
        return ENOENT;
    if (!lkmfs_tree_size(state->tree, node, &size, &err))
        return to_errno(&err);
    *attr = (struct stat){
        .st_ino = node,
        .st_nlink = 1,
        .st_uid = state->uid,
        .st_gid = state->gid,
        .st_size = (off_t)size,
        .st_blksize = BLOCK,
        .st_blocks = (blkcnt_t)((size + 511) / 512),
        .st_atim = {.tv_sec = state->mtime},
        .st_mtim = {.tv_sec = state->mtime},
        .st_ctim = {.tv_sec = state->mtime},
    };
    switch (kind) {
    case LKMFS_NODE_FOLDER:
        attr->st_mode = S_IFDIR | 0555;
        attr->st_nlink = 2 + lkmfs_tree_subfolders(state->tree, node);
        break;
    case LKMFS_NODE_FILE:
        attr->st_mode = S_IFREG | 0444;
        break;
    case LKMFS_NODE_LINK:
        attr->st_mode = S_IFLNK | 0777;
        break;
    }
    return 0;
}

static void operation_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct lkmfs_tree *tree = begin(req);
    /* Inode number 0 says that there is no such name, and that this will not change. */
    struct fuse_entry_param entry = {.entry_timeout = DBL_MAX};
    entry.ino = lkmfs_tree_lookup(tree, parent, name);
    entry.attr_timeout = keep(entry.ino);
    int error = entry.ino ? get_attributes(state_of(req), entry.ino, &entry.attr) : 0;
    if (error)
        (void)fuse_reply_err(req, error);
    else
        (void)fuse_reply_entry(req, &entry);
}

static void operation_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)info;
    (void)begin(req);
    struct stat attr;
    int error = get_attributes(state_of(req), node, &attr);
    if (error)
        (void)fuse_reply_err(req, error);
    else
        (void)fuse_reply_attr(req, &attr, keep(node));
}

static void operation_readlink(fuse_req_t req, fuse_ino_t node)
{
    char target[LKMFS_NAME_SIZE + 16];
    if (lkmfs_tree_link(begin(req), node, target))
        (void)fuse_reply_readlink(req, target);
    else
        (void)fuse_reply_err(req, EINVAL);
}

static void reply_open(fuse_req_t req, struct fuse_file_info *info)
{
    struct fuse_idle *idle = &state_of(req)->idle;
    fuse_idle_touch(idle, 1);
    /* When the opener is gone already, release will not be called. */
    if (fuse_reply_open(req, info) == -ENOENT)
        fuse_idle_touch(idle, -1);
}

static void operation_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info)
{
    if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & (O_TRUNC | O_APPEND))) {
        (void)fuse_reply_err(req, EROFS);
        return;
    }
    info->direct_io = lkmfs_tree_grows(node);
    info->keep_cache = !info->direct_io;
    reply_open(req, info);
}

static void operation_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    info->keep_cache = 1;
    info->cache_readdir = 1;
    reply_open(req, info);
}

static void operation_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *info)
{
    (void)node;
    (void)info;
    fuse_idle_touch(&state_of(req)->idle, -1);
    (void)fuse_reply_err(req, 0);
}

static void operation_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *info)
{
    (void)info;
    struct lkmfs_tree *tree = begin(req);
    struct lkmfs_error err;
    struct lkmfs_view view;
    if (!lkmfs_tree_hold(tree, node, &view, &err)) {
        (void)fuse_reply_err(req, to_errno(&err));
        return;
    }
    if (offset < 0 || (uint64_t)offset >= view.size) {
        (void)fuse_reply_buf(req, NULL, 0);
    } else {
        size_t left = view.size - (size_t)offset;
        (void)fuse_reply_buf(req, (const char *)view.bytes + offset, size < left ? size : left);
    }
    lkmfs_tree_drop(tree, &view);
}

/* Entry `offset` of a listing: "." and "..", then the children. False past the end. */
static bool list_entry(const struct lkmfs_tree *tree, lkmfs_node folder, uint64_t offset, struct lkmfs_entry *ret)
{
    if (offset >= 2)
        return lkmfs_tree_entry(tree, folder, offset - 2, ret);
    ret->node = offset == 0 ? folder : lkmfs_tree_parent(tree, folder);
    ret->kind = LKMFS_NODE_FOLDER;
    strcpy(ret->name, offset == 0 ? "." : "..");
    return true;
}

static void operation_readdir(fuse_req_t req, fuse_ino_t folder, size_t size, off_t offset, struct fuse_file_info *info)
{
    static const mode_t types[] = {
        [LKMFS_NODE_FOLDER] = S_IFDIR, [LKMFS_NODE_FILE] = S_IFREG, [LKMFS_NODE_LINK] = S_IFLNK};
    (void)info;
    const struct lkmfs_tree *tree = begin(req);
    char *buffer = malloc(size);
    if (!buffer) {
        (void)fuse_reply_err(req, ENOMEM);
        return;
    }
    size_t used = 0;
    struct lkmfs_entry entry;
    while (offset >= 0 && list_entry(tree, folder, (uint64_t)offset, &entry)) {
        /* Only the number and the type are looked at: no file is built for a listing. */
        const struct stat attr = {.st_ino = entry.node, .st_mode = types[entry.kind]};
        size_t needed = fuse_add_direntry(req, buffer + used, size - used, entry.name, &attr, ++offset);
        if (needed > size - used)
            break;
        used += needed;
    }
    (void)fuse_reply_buf(req, buffer, used);
    free(buffer);
}

static void operation_statfs(fuse_req_t req, fuse_ino_t node)
{
    (void)node;
    const struct lkmfs_tree *tree = begin(req);
    uint64_t bytes = lkmfs_image_file_size(lkmfs_session_image(lkmfs_tree_session(tree)));
    const struct statvfs stat = {
        .f_bsize = BLOCK,
        .f_frsize = BLOCK,
        .f_blocks = bytes / BLOCK,
        .f_files = lkmfs_tree_count(tree),
        .f_namemax = LKMFS_NAME_SIZE - 1,
        .f_flag = ST_RDONLY,
    };
    (void)fuse_reply_statfs(req, &stat);
}

const struct fuse_lowlevel_ops fuse_operations = {
    .init = operation_init,
    .lookup = operation_lookup,
    .getattr = operation_getattr,
    .readlink = operation_readlink,
    .open = operation_open,
    .read = operation_read,
    .release = operation_release,
    .opendir = operation_opendir,
    .readdir = operation_readdir,
    .releasedir = operation_release,
    .statfs = operation_statfs,
    /* No readdirplus: it would build every file for a plain ls. */
    FUSE_READONLY_OPERATIONS,
};
