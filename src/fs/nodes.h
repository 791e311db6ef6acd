/*
 * nodes.h - the static layout of the tree: which inode number is which file.
 *
 * These numbers are seen by whoever stats a file: never renumber, only add.
 */
#ifndef LKMFS_FS_NODES_H
#define LKMFS_FS_NODES_H

#include <stdbool.h>
#include <stddef.h>

#include "lkmfs/tree.h"

enum fixed_node {
    NODE_ROOT = 1,
    NODE_MODULES = 2,
    NODE_LOADED = 3,
    NODE_INFO = 4,
    NODE_HIDDEN = 5,
    NODE_KERNEL = 6,
    NODE_MODULES_JSON = 7,
    NODE_MODULES_TEXT = 8,
    NODE_REPORT = 9,
    NODE_LOG = 10,
    NODE_VERSION = 11,
    NODE_VMCOREINFO = 12,
    NODE_KALLSYMS = 13,
    NODE_BTF = 14,
};

struct fixed {
    enum fixed_node node, parent;
    enum lkmfs_node_kind kind;
    const char *name;
};

/* In the order of readdir: a folder's children in the order of this table. */
extern const struct fixed fixed_nodes[];
extern const size_t fixed_node_count;

/* The row of fixed node `node`; NULL when it is none. */
const struct fixed *fixed_find(lkmfs_node node);

/* The files of one module: one in each folder of modules. */
enum module_file {
    MODULE_KO,
    MODULE_LOADED,
    MODULE_INFO,
    MODULE_HIDDEN, /* the link */
};

lkmfs_node node_of_module(size_t module, enum module_file file);
/* The inverse; false when `node` is below the modules' blocks or no file of one. */
bool node_to_module(lkmfs_node node, size_t *module, enum module_file *file);

/* The kind of module file that `folder` holds; false when it holds none. */
bool node_folder_files(lkmfs_node folder, enum module_file *file);
/* ".ko", ".elf" or ".json" */
const char *module_file_suffix(enum module_file file);

#endif
