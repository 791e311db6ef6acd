/*
 * A module's own .BTF: not loaded with its sections, but btf_parse_module() keeps a copy for as long as the module
 * lives, in the btf_modules list (kernel/bpf/btf.c, since 5.11).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "module/modules.h"

#define BTF_LIST_MAX 4096

struct list_layout {
    struct lkmfs_field module, btf, data;
};

static bool layout_init(const struct lkmfs_types *types, struct list_layout *l)
{
    return lkmfs_types_field(types, "btf_module", "module", &l->module) &&
           lkmfs_types_field(types, "btf_module", "btf", &l->btf) && lkmfs_types_field(types, "btf", "data", &l->data);
}

/* Reads the list, which is the caller's; `list` is the first member of btf_module. False without memory. */
static bool read_list(const struct lkmfs_modules *modules, struct module_btf **ret, size_t *count)
{
    struct list_layout layout;
    uint64_t head, at;
    *ret = NULL;
    *count = 0;
    if (!layout_init(modules->types, &layout) ||
        !lkmfs_symbols_find(lkmfs_kernel_symbols(modules->kernel), "btf_modules", &head) ||
        !lkmfs_space_u64(modules->space, head, &at))
        return true;
    *ret = calloc(BTF_LIST_MAX, sizeof(**ret));
    while (*ret && *count < BTF_LIST_MAX && at != head) {
        uint64_t btf = field_at(modules, at, &layout.btf);
        (*ret)[(*count)++] = (struct module_btf){.module = field_at(modules, at, &layout.module),
                                                 .data = field_at(modules, btf, &layout.data)};
        if (!lkmfs_space_u64(modules->space, at, &at))
            break;
    }
    return *ret != NULL;
}

/* The list is read once; what came of a host in trouble is not kept. */
static bool know_list(struct lkmfs_modules *modules)
{
    (void)pthread_mutex_lock(&modules->btf_lock);
    if (!modules->btf_known) {
        uint64_t failures = lkmfs_image_failures();
        struct module_btf *list;
        size_t count;
        if (read_list(modules, &list, &count) && lkmfs_image_failures() == failures) {
            modules->btf = list;
            modules->btf_count = count;
            modules->btf_known = true;
        } else {
            free(list);
        }
    }
    bool known = modules->btf_known;
    (void)pthread_mutex_unlock(&modules->btf_lock);
    return known;
}

/* Address of the copy's bytes, 0 when the list does not name the module. */
static uint64_t find_data(const struct lkmfs_modules *modules, uint64_t address)
{
    for (size_t i = 0; i < modules->btf_count; i++)
        if (modules->btf[i].module == address)
            return modules->btf[i].data;
    return 0;
}

void module_read_btf(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    struct lkmfs_module *module = &entry->module;
    if (!module->btf_size || entry->btf_refused)
        return;
    if (!know_list((struct lkmfs_modules *)modules)) { /* the list appears once, behind the lock */
        entry->arena.failed = true;
        return;
    }
    uint64_t data = find_data(modules, module->address);
    uint8_t *bytes = data ? arena_alloc(&entry->arena, module->btf_size) : NULL;
    if (!bytes)
        return;
    uint64_t missing = lkmfs_space_read_sparse(modules->space, data, bytes, module->btf_size, NULL, NULL);
    if (missing)
        module_doubt(entry, &entry->arena, "%" PRIu64 " bytes of .BTF are missing; left out", missing);
    else
        module->btf = bytes;
}
