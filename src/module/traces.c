#include "module/traces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cursor.h"
#include "base/overflow.h"

/* No real kernel has more; a longer list is a loop or an attack. */
#define MODULES_MAX 4096
/* Words in the module area that point to where mkobj.mod would; each is looked at closely. */
#define CANDIDATES_MAX ((size_t)1 << 18)

void trace_add(struct trace_set *set, uint64_t address, enum lkmfs_trace trace)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->found[i].address == address) {
            set->found[i].traces |= trace;
            return;
        }
    if (set->count == MODULES_MAX)
        return;
    if (!ARRAY_RESERVE(&set->found, &set->capacity, set->count)) {
        set->out_of_memory = true;
        return;
    }
    set->found[set->count++] = (struct trace_found){address, trace};
}

void trace_list(const struct lkmfs_modules *modules, struct trace_set *set)
{
    uint64_t head, link;
    if (!lkmfs_symbols_find(lkmfs_kernel_symbols(modules->kernel), "modules", &head)) {
        lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT,
                      "kallsyms does not name `modules`: the module list was not walked");
        return;
    }
    if (!lkmfs_space_u64(modules->space, head, &link)) {
        lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT, "the head of the module list at 0x%" PRIx64 " is unreadable",
                      head);
        return;
    }
    for (size_t i = 0; link != head; i++) {
        uint64_t next;
        if (i == MODULES_MAX || !lkmfs_space_u64(modules->space, link, &next)) {
            lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT, "the module list breaks off after %zu modules, at 0x%" PRIx64,
                          i, link);
            return;
        }
        trace_add(set, link - modules->layout.list_next.offset, LKMFS_TRACE_LIST);
        link = next;
    }
}

static bool is_identifier(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length >= 2 && !name[length];
}

/* Whether the regions that the struct describes hold the struct itself, as they do for every real module. */
static bool holds_itself(const struct lkmfs_modules *modules, uint64_t address, const uint8_t *bytes,
                         struct trace_set *set)
{
    struct arena arena = {0};
    struct module_entry entry = {.module = {.address = address, .bytes = bytes, .bytes_size = modules->layout.size}};
    module_read_regions(modules, &entry, &arena);
    bool holds = module_region_around(&entry.module, address) >= 0;
    set->out_of_memory |= arena.failed;
    arena_release(&arena);
    return holds;
}

/*
 * A word that is mkobj.mod of the struct module at `address` was found: does the rest look like one? Either its memory
 * fits, whatever a rootkit did to its name, or name and state do.
 */
static bool plausible(const struct lkmfs_modules *modules, uint64_t address, struct trace_set *set)
{
    const struct module_layout *layout = &modules->layout;
    /* struct module is ____cacheline_aligned since 4.2, which shows in its size */
    if (layout->size % 64 == 0 && address % 64 != 0)
        return false;
    uint8_t *bytes = malloc(layout->size);
    if (!bytes) {
        set->out_of_memory = true;
        return false;
    }
    bool looks = lkmfs_space_read_exact(modules->space, address, bytes, layout->size);
    if (looks && !holds_itself(modules, address, bytes, set)) {
        char name[64] = {0};
        size_t size = min_u64(layout->name.size, sizeof(name) - 1);
        memcpy(name, bytes + layout->name.offset, size);
        looks = is_identifier(name) && lkmfs_field_value(&layout->state, bytes, layout->size) <= LKMFS_MODULE_UNFORMED;
    }
    free(bytes);
    return looks;
}

static void scan_leaf(const struct lkmfs_modules *modules, const struct lkmfs_mapping *leaf, uint8_t *page,
                      struct trace_set *set)
{
    uint64_t self = modules->layout.self.offset;
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(modules->kernel);
    for (uint64_t done = 0; done < leaf->size; done += 4096) {
        size_t got = lkmfs_space_read(modules->space, leaf->virt + done, page, 4096);
        for (size_t i = 0; i + 8 <= got; i += 8) {
            uint64_t address = leaf->virt + done + i - self;
            if (le64(page + i) != address || address < facts->module_start || !set->candidates_left)
                continue;
            set->candidates_left--;
            if (plausible(modules, address, set))
                trace_add(set, address, LKMFS_TRACE_SCAN);
        }
    }
}

void trace_scan(const struct lkmfs_modules *modules, struct trace_set *set)
{
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(modules->kernel);
    uint8_t page[4096];
    struct lkmfs_mapping leaf;
    set->candidates_left = CANDIDATES_MAX;
    for (uint64_t virt = facts->module_start; lkmfs_space_next(modules->space, virt, facts->module_end, &leaf);
         virt = leaf.virt + leaf.size) {
        /* struct module lies in .gnu.linkonce.this_module, which is writable data */
        if (leaf.writable)
            scan_leaf(modules, &leaf, page, set);
    }
    if (!set->candidates_left)
        lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT,
                      "the module area is full of what looks like modules; not all was read");
}

struct latch_layout {
    struct lkmfs_field root, left, right, node, mod;
};

static bool latch_layout_init(const struct lkmfs_types *types, struct latch_layout *ret)
{
    /* struct mod_tree_root { struct latch_tree_root root { struct rb_root tree[2]; } } */
    return lkmfs_types_field(types, "mod_tree_root", "root.tree", &ret->root) &&
           lkmfs_types_field(types, "rb_node", "rb_left", &ret->left) &&
           lkmfs_types_field(types, "rb_node", "rb_right", &ret->right) &&
           lkmfs_types_field(types, "mod_tree_node", "node.node", &ret->node) &&
           lkmfs_types_field(types, "mod_tree_node", "mod", &ret->mod);
}

void trace_latch_tree(const struct lkmfs_modules *modules, struct trace_set *set)
{
    struct latch_layout layout;
    uint64_t tree;
    if (!latch_layout_init(modules->types, &layout) ||
        !lkmfs_symbols_find(lkmfs_kernel_symbols(modules->kernel), "mod_tree", &tree))
        return;
    /* Each module has up to two nodes in [4.2-6.3], seven since 6.4; a stack of pending nodes bounds the walk. */
    enum { PENDING_MAX = 256, NODES_MAX = MODULES_MAX * 7 };
    uint64_t pending[PENDING_MAX], node;
    size_t depth = 0, seen = 0;
    if (lkmfs_space_u64(modules->space, tree + layout.root.offset, &node) && node)
        pending[depth++] = node;
    while (depth && seen++ < NODES_MAX) {
        node = pending[--depth];
        uint64_t left, right, mod;
        if (!lkmfs_space_u64(modules->space, node + layout.left.offset, &left) ||
            !lkmfs_space_u64(modules->space, node + layout.right.offset, &right) ||
            !lkmfs_space_u64(modules->space, node - layout.node.offset + layout.mod.offset, &mod)) {
            lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT, "a node of mod_tree at 0x%" PRIx64 " is unreadable", node);
            continue;
        }
        trace_add(set, mod, LKMFS_TRACE_LATCH);
        if (left && depth < PENDING_MAX)
            pending[depth++] = left;
        if (right && depth < PENDING_MAX)
            pending[depth++] = right;
    }
    if (depth)
        lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT, "mod_tree has more nodes than any kernel; the walk was cut short");
}
