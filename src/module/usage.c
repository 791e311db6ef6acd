/* Who uses whom: struct module_use (include/linux/module.h). */
#include "module/modules.h"

/* A module can be used by every other one, not more. */
#define USES_MAX 4096

/*
 * Follows one of a module's two lists. `head` is the list_head in struct module, `link` the list_head in struct
 * module_use that is chained there, `other` the field that names the other module.
 */
static const size_t *follow(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena,
                            const struct lkmfs_field *head, const struct lkmfs_field *link,
                            const struct lkmfs_field *other, size_t *count)
{
    *count = 0;
    if (!head->size || !link->size || !other->size)
        return NULL;
    uint64_t start = entry->module.address + head->offset, at;
    struct lkmfs_field next = {.offset = head->offset, .size = 8};
    size_t *indexes = arena_array(arena, modules->count, sizeof(*indexes));
    at = module_field(&entry->module, &next);
    for (size_t i = 0; indexes && at && at != start; i++) {
        uint64_t following;
        size_t index = module_index(modules, field_at(modules, at - link->offset, other));
        if (i == USES_MAX || !lkmfs_space_u64(modules->space, at, &following)) {
            module_doubt(entry, arena, "a list of uses breaks off after %zu entries", i);
            break;
        }
        if (index != SIZE_MAX && *count < modules->count)
            indexes[(*count)++] = index;
        at = following;
    }
    return indexes;
}

void module_read_usage(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena)
{
    const struct module_layout *l = &modules->layout;
    struct lkmfs_module *module = &entry->module;
    module->users =
        follow(modules, entry, arena, &l->source_list, &l->use_source_list, &l->use_source, &module->user_count);
    module->uses =
        follow(modules, entry, arena, &l->target_list, &l->use_target_list, &l->use_target, &module->use_count);
}
