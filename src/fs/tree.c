#include "fs/tree_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cache.h"
#include "fs/content.h"
#include "fs/nodes.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->file, ((const struct named *)b)->file);
}

bool tree_hides(const struct lkmfs_module *module)
{
    return !(module->traces & LKMFS_TRACE_LIST);
}

bool tree_module_file(const struct lkmfs_tree *tree, lkmfs_node node, size_t *index, enum module_file *file)
{
    return node_to_module(node, index, file) && *index < tree->module_count &&
           (*file != MODULE_HIDDEN || tree_hides(lkmfs_modules_at(tree->modules, *index)));
}

bool lkmfs_tree_new(const struct lkmfs_session *session, uint64_t cache_bytes, struct lkmfs_tree **ret,
                    struct lkmfs_error *err)
{
    struct lkmfs_tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return lkmfs_fail_memory(err);
    tree->session = session;
    tree->modules = lkmfs_session_modules(session);
    size_t count = tree->module_count = lkmfs_modules_count(tree->modules);
    tree->by_name = calloc(count ? count : 1, sizeof(*tree->by_name));
    tree->hidden = calloc(count ? count : 1, sizeof(*tree->hidden));
    /* The callback only reads the session; the cast is the price of one context type. */
    tree->cache = cache_new(content_units(count), cache_bytes, content_make, (void *)(uintptr_t)session);
    tree->failures = lkmfs_log_new(false);
    if (!tree->by_name || !tree->hidden || !tree->cache || !tree->failures) {
        lkmfs_tree_free(tree);
        return lkmfs_fail_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(tree->modules, i);
        tree->by_name[i] = (struct named){module->file, i};
        if (tree_hides(module))
            tree->hidden[tree->hidden_count++] = i;
    }
    qsort(tree->by_name, count, sizeof(*tree->by_name), compare_names);
    *ret = tree;
    return true;
}

/* For the reader of standard error: log.txt was written when the image was opened. */
static void log_use(const struct lkmfs_tree *tree)
{
    struct cache_use use = cache_use(tree->cache);
    if (use.holds)
        lkmfs_log_add(lkmfs_session_log(tree->session), LKMFS_LOG_NOTE,
                      "files: opened %" PRIu64 " times, built %" PRIu64 " times, found in the cache otherwise",
                      use.holds, use.makes);
}

void lkmfs_tree_free(struct lkmfs_tree *tree)
{
    if (!tree)
        return;
    if (tree->cache)
        log_use(tree);
    cache_free(tree->cache);
    free(tree->by_name);
    free(tree->hidden);
    lkmfs_log_free(tree->failures);
    free(tree);
}

const struct lkmfs_session *lkmfs_tree_session(const struct lkmfs_tree *tree)
{
    return tree->session;
}

static bool fixed_exists(const struct lkmfs_tree *tree, const struct fixed *fixed)
{
    const uint8_t *bytes = NULL;
    size_t size;
    return !tree_ready_bytes(tree, fixed->node, &bytes, &size) || bytes;
}

uint64_t lkmfs_tree_count(const struct lkmfs_tree *tree)
{
    uint64_t count = 3 * (uint64_t)tree->module_count + tree->hidden_count;
    for (size_t i = 0; i < fixed_node_count; i++)
        count += fixed_exists(tree, &fixed_nodes[i]);
    return count;
}

bool lkmfs_tree_kind(const struct lkmfs_tree *tree, lkmfs_node node, enum lkmfs_node_kind *ret)
{
    const struct fixed *fixed = fixed_find(node);
    size_t index;
    enum module_file file;
    if (fixed && fixed_exists(tree, fixed)) {
        *ret = fixed->kind;
        return true;
    }
    if (!tree_module_file(tree, node, &index, &file))
        return false;
    *ret = file == MODULE_HIDDEN ? LKMFS_NODE_LINK : LKMFS_NODE_FILE;
    return true;
}

static lkmfs_node lookup_module_file(const struct lkmfs_tree *tree, enum module_file file, const char *name)
{
    const char *suffix = module_file_suffix(file);
    size_t length = strlen(name), suffix_length = strlen(suffix);
    char stem[LKMFS_NAME_SIZE];
    if (length < suffix_length || length >= sizeof(stem) || strcmp(name + length - suffix_length, suffix) != 0)
        return LKMFS_NODE_NONE;
    memcpy(stem, name, length - suffix_length);
    stem[length - suffix_length] = 0;

    const struct named key = {.file = stem};
    const struct named *found = bsearch(&key, tree->by_name, tree->module_count, sizeof(*tree->by_name), compare_names);
    if (!found || (file == MODULE_HIDDEN && !tree_hides(lkmfs_modules_at(tree->modules, found->index))))
        return LKMFS_NODE_NONE;
    return node_of_module(found->index, file);
}

lkmfs_node lkmfs_tree_lookup(const struct lkmfs_tree *tree, lkmfs_node parent, const char *name)
{
    enum module_file file;
    if (node_folder_files(parent, &file))
        return lookup_module_file(tree, file, name);
    for (size_t i = 0; i < fixed_node_count; i++) {
        const struct fixed *fixed = &fixed_nodes[i];
        if (fixed->parent == parent && fixed->node != NODE_ROOT && strcmp(fixed->name, name) == 0)
            return fixed_exists(tree, fixed) ? (lkmfs_node)fixed->node : LKMFS_NODE_NONE;
    }
    return LKMFS_NODE_NONE;
}

lkmfs_node lkmfs_tree_resolve(const struct lkmfs_tree *tree, const char *path)
{
    lkmfs_node node = LKMFS_NODE_ROOT;
    while (*path && node) {
        size_t length = strcspn(path, "/");
        char name[LKMFS_NAME_SIZE];
        if (length >= sizeof(name))
            return LKMFS_NODE_NONE;
        memcpy(name, path, length);
        name[length] = 0;
        if (length > 0 && strcmp(name, ".") != 0)
            node = lkmfs_tree_lookup(tree, node, name);
        path += length + (path[length] == '/');
    }
    size_t index;
    enum module_file file;
    if (node && tree_module_file(tree, node, &index, &file) && file == MODULE_HIDDEN)
        return node_of_module(index, MODULE_KO);
    return node;
}

static bool module_entry(const struct lkmfs_tree *tree, enum module_file file, uint64_t position,
                         struct lkmfs_entry *ret)
{
    bool hidden = file == MODULE_HIDDEN;
    if (position >= (hidden ? tree->hidden_count : tree->module_count))
        return false;
    size_t index = hidden ? tree->hidden[position] : (size_t)position;
    ret->node = node_of_module(index, file);
    ret->kind = hidden ? LKMFS_NODE_LINK : LKMFS_NODE_FILE;
    (void)snprintf(ret->name, sizeof(ret->name), "%s%s", lkmfs_modules_at(tree->modules, index)->file,
                   module_file_suffix(file));
    return true;
}

bool lkmfs_tree_entry(const struct lkmfs_tree *tree, lkmfs_node folder, uint64_t index, struct lkmfs_entry *ret)
{
    enum module_file file;
    if (node_folder_files(folder, &file))
        return module_entry(tree, file, index, ret);
    for (size_t i = 0; i < fixed_node_count; i++) {
        const struct fixed *fixed = &fixed_nodes[i];
        if (fixed->parent != folder || fixed->node == NODE_ROOT || !fixed_exists(tree, fixed) || index-- > 0)
            continue;
        ret->node = fixed->node;
        ret->kind = fixed->kind;
        (void)snprintf(ret->name, sizeof(ret->name), "%s", fixed->name);
        return true;
    }
    return false;
}

lkmfs_node lkmfs_tree_parent(const struct lkmfs_tree *tree, lkmfs_node node)
{
    (void)tree;
    const struct fixed *fixed = fixed_find(node);
    return fixed ? (lkmfs_node)fixed->parent : LKMFS_NODE_ROOT;
}

size_t lkmfs_tree_subfolders(const struct lkmfs_tree *tree, lkmfs_node folder)
{
    (void)tree;
    size_t count = 0;
    for (size_t i = 0; i < fixed_node_count; i++)
        count += fixed_nodes[i].parent == folder && fixed_nodes[i].kind == LKMFS_NODE_FOLDER &&
                 fixed_nodes[i].node != NODE_ROOT;
    return count;
}

bool lkmfs_tree_link(const struct lkmfs_tree *tree, lkmfs_node node, char target[LKMFS_NAME_SIZE + 16])
{
    size_t index;
    enum module_file file;
    if (!tree_module_file(tree, node, &index, &file) || file != MODULE_HIDDEN)
        return false;
    (void)snprintf(target, LKMFS_NAME_SIZE + 16, "../modules/%s.ko", lkmfs_modules_at(tree->modules, index)->file);
    return true;
}
