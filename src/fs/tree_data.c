#include "fs/tree_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "fs/content.h"

bool tree_ready_bytes(const struct lkmfs_tree *tree, lkmfs_node node, const uint8_t **bytes, size_t *size)
{
    const struct lkmfs_kernel *kernel = lkmfs_session_kernel(tree->session);
    const char *text;
    switch (node) {
    case NODE_VMCOREINFO:
        text = lkmfs_kernel_facts(kernel)->vmcoreinfo;
        break;
    case NODE_BTF:
        *bytes = lkmfs_types_btf(lkmfs_kernel_types(kernel), size);
        return true;
    default:
        return false;
    }
    *bytes = (const uint8_t *)text;
    *size = text ? strlen(text) : 0;
    return true;
}

/* The cache's unit and part that file `node` is; false when it is none. */
static bool find_unit(const struct lkmfs_tree *tree, lkmfs_node node, size_t *unit, unsigned *part)
{
    size_t index;
    enum module_file file;
    *part = 0;
    switch (node) {
    case NODE_MODULES_JSON:
        *unit = CONTENT_MODULES_JSON;
        return true;
    case NODE_MODULES_TEXT:
        *unit = CONTENT_MODULES_TEXT;
        return true;
    case NODE_REPORT:
        *unit = CONTENT_REPORT;
        return true;
    case NODE_VERSION:
        *unit = CONTENT_VERSION;
        return true;
    case NODE_KALLSYMS:
        *unit = CONTENT_KALLSYMS;
        return true;
    default:
        break;
    }
    if (!tree_module_file(tree, node, &index, &file) || file == MODULE_HIDDEN)
        return false;
    *unit = file == MODULE_LOADED ? content_loaded_unit(index) : content_relocatable_unit(index);
    *part = file == MODULE_INFO ? CONTENT_INFO : CONTENT_KO;
    return true;
}

static bool fail_no_file(lkmfs_node node, struct lkmfs_error *err)
{
    return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0, "no file has inode number %llu", (unsigned long long)node);
}

/* Every failure to make a file is worth a line in the log: the mount can only say EIO. */
static bool note_failure(const struct lkmfs_tree *tree, lkmfs_node node, bool ok, const struct lkmfs_error *err)
{
    struct lkmfs_log *const logs[] = {lkmfs_session_log(tree->session), tree->failures};
    for (size_t i = 0; !ok && i < sizeof(logs) / sizeof(*logs); i++)
        lkmfs_log_add(logs[i], LKMFS_LOG_DOUBT, "file with inode number %llu: %s", (unsigned long long)node,
                      err->message);
    return ok;
}

/*
 * The text of /log.txt, malloc'd, NULL without memory: what opening said, always the same, and what failed since. What
 * builders add in between depends on the order of reading, and is in /info.
 */
static char *log_text(const struct lkmfs_tree *tree)
{
    char *failures = lkmfs_log_text(tree->failures), *text = NULL;
    if (failures && asprintf(&text, "%s%s", lkmfs_session_log_text(tree->session), failures) < 0)
        text = NULL;
    free(failures);
    return text;
}

static bool hold_log(const struct lkmfs_tree *tree, const uint8_t **bytes, size_t *size, struct lkmfs_error *err)
{
    char *text = log_text(tree);
    *bytes = (const uint8_t *)text;
    *size = text ? strlen(text) : 0;
    return text ? true : lkmfs_fail_memory(err);
}

bool lkmfs_tree_grows(lkmfs_node node)
{
    return node == NODE_LOG;
}

bool lkmfs_tree_size(struct lkmfs_tree *tree, lkmfs_node node, uint64_t *ret, struct lkmfs_error *err)
{
    struct lkmfs_error own;
    err = err ? err : &own;
    enum lkmfs_node_kind kind;
    if (!lkmfs_tree_kind(tree, node, &kind))
        return fail_no_file(node, err);
    const uint8_t *bytes;
    char target[LKMFS_NAME_SIZE + 16];
    size_t size, unit;
    unsigned part;
    *ret = 0;
    if (node == NODE_LOG) {
        if (!hold_log(tree, &bytes, &size, err))
            return false;
        free((void *)(uintptr_t)bytes);
        *ret = size;
    } else if (tree_ready_bytes(tree, node, &bytes, &size))
        *ret = size;
    else if (lkmfs_tree_link(tree, node, target))
        *ret = strlen(target);
    else if (find_unit(tree, node, &unit, &part))
        return note_failure(tree, node, cache_size(tree->cache, unit, part, ret, err), err);
    return true;
}

bool lkmfs_tree_hold(struct lkmfs_tree *tree, lkmfs_node node, struct lkmfs_view *ret, struct lkmfs_error *err)
{
    struct lkmfs_error own;
    err = err ? err : &own;
    size_t unit;
    unsigned part;
    ret->node = node;
    if (node == NODE_LOG)
        return hold_log(tree, &ret->bytes, &ret->size, err);
    if (tree_ready_bytes(tree, node, &ret->bytes, &ret->size))
        return ret->bytes || fail_no_file(node, err);
    if (!find_unit(tree, node, &unit, &part))
        return fail_no_file(node, err);
    return note_failure(tree, node, cache_hold(tree->cache, unit, part, &ret->bytes, &ret->size, err), err);
}

void lkmfs_tree_drop(struct lkmfs_tree *tree, const struct lkmfs_view *view)
{
    size_t unit;
    unsigned part;
    if (view->node == NODE_LOG)
        free((void *)(uintptr_t)view->bytes);
    else if (find_unit(tree, view->node, &unit, &part))
        cache_drop(tree->cache, unit, part);
}

bool lkmfs_tree_read(struct lkmfs_tree *tree, lkmfs_node node, uint64_t offset, void *buffer, size_t size, size_t *ret,
                     struct lkmfs_error *err)
{
    struct lkmfs_view view;
    if (!lkmfs_tree_hold(tree, node, &view, err))
        return false;
    *ret = 0;
    if (offset < view.size) {
        *ret = (size_t)min_u64(size, view.size - offset);
        memcpy(buffer, view.bytes + offset, *ret);
    }
    lkmfs_tree_drop(tree, &view);
    return true;
}
