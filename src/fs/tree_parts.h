/*
 * tree_parts.h - the inside of struct lkmfs_tree: tree.c knows its names, tree_data.c its bytes.
 */
#ifndef LKMFS_FS_TREE_PARTS_H
#define LKMFS_FS_TREE_PARTS_H

#include "fs/cache.h"
#include "fs/nodes.h"
#include "lkmfs/tree.h"

/* A module and its place in lkmfs_modules_at(), to search by name. */
struct named {
    const char *file;
    size_t index;
};

struct lkmfs_tree {
    const struct lkmfs_session *session;
    const struct lkmfs_modules *modules;
    size_t module_count;
    struct named *by_name; /* ascending by file, all modules */
    size_t *hidden;        /* ascending indexes of modules not on the list */
    size_t hidden_count;
    struct cache *cache;
    struct lkmfs_log *failures; /* what could not be made, for the end of /log.txt */
};

/* True for a module that is not on the kernel's list. */
bool tree_hides(const struct lkmfs_module *module);

/* The module and file that `node` is; false when there is none. */
bool tree_module_file(const struct lkmfs_tree *tree, lkmfs_node node, size_t *index, enum module_file *file);

/*
 * Bytes of a fixed file that are in memory anyway; false for any other node. What the kernel does not have is NULL, and
 * then there is no such file.
 */
bool tree_ready_bytes(const struct lkmfs_tree *tree, lkmfs_node node, const uint8_t **bytes, size_t *size);

#endif
