/* Who uses whom: struct module_use (include/linux/module.h). */
#include "module/modules.h"

#include <stdlib.h>

#include "base/array.h"

/* Indexes of modules, growing. */
struct index_list {
    size_t *items;
    size_t count, capacity;
};

/* Whether `index` is new to the list; add_module_usage() names no module twice, so one that returns is a loop. */
static bool add_index(struct lkmfs_modules *modules, struct index_list *list, size_t index)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == index)
            return false;
    if (!ARRAY_RESERVE(&list->items, &list->capacity, list->count)) {
        modules->arena.failed = true; /* which is where the list is to go */
        return false;
    }
    list->items[list->count++] = index;
    return true;
}

/*
 * Follows one of a module's two lists. `head` is the list_head in struct module, `link` the list_head in struct
 * module_use that is chained there, `other` the field that names the other module.
 */
static const size_t *follow(struct lkmfs_modules *modules, struct module_entry *entry, const struct lkmfs_field *head,
                            const struct lkmfs_field *link, const struct lkmfs_field *other, size_t *count)
{
    *count = 0;
    if (!head->size || !link->size || !other->size)
        return NULL;
    uint64_t start = entry->module.address + head->offset;
    struct lkmfs_field next = {.offset = head->offset, .size = 8};
    struct index_list list = {0};
    for (uint64_t at = module_field(&entry->module, &next); at && at != start;) {
        uint64_t following;
        size_t index = module_index(modules, field_at(modules, at - link->offset, other));
        if (!modules->uses_left || !lkmfs_space_u64(modules->space, at, &following) ||
            (index != SIZE_MAX && !add_index(modules, &list, index))) {
            module_doubt(entry, &modules->arena, "a list of uses breaks off after %zu modules", list.count);
            break;
        }
        modules->uses_left--;
        at = following;
    }
    size_t *indexes = arena_array(&modules->arena, list.count, sizeof(*indexes));
    for (size_t i = 0; indexes && i < list.count; i++)
        indexes[i] = list.items[i];
    free(list.items);
    *count = indexes ? list.count : 0;
    return indexes;
}

void module_read_usage(struct lkmfs_modules *modules, struct module_entry *entry)
{
    const struct module_layout *l = &modules->layout;
    struct lkmfs_module *module = &entry->module;
    module->users = follow(modules, entry, &l->source_list, &l->use_source_list, &l->use_source, &module->user_count);
    module->uses = follow(modules, entry, &l->target_list, &l->use_target_list, &l->use_target, &module->use_count);
}
