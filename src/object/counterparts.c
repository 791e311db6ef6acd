#include "object/counterparts.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 128

/* Names that don't follow from each other; the first counterpart that this kernel exports is taken. */
static const struct pair {
    const char *undo;
    const char *make[3];
} pairs[] = {
    {"destroy_workqueue", {"alloc_workqueue_noprof", "alloc_workqueue"}},
    {"kmem_cache_destroy", {"__kmem_cache_create_args", "kmem_cache_create"}},
    {"class_destroy", {"class_create", "__class_create"}},
    {"misc_deregister", {"misc_register"}},
    {"usb_deregister", {"usb_register_driver"}},
    {"platform_driver_unregister", {"__platform_driver_register"}},
};

/* `name` with its first `from` replaced by `to`; false when it has none. */
static bool replaced(const char *name, const char *from, const char *to, const char *prefix, char *ret)
{
    const char *at = strstr(name, from);
    if (!at)
        return false;
    int length = snprintf(ret, NAME_MAX_LEN, "%s%.*s%s%s", prefix, (int)(at - name), name, to, at + strlen(from));
    return length > 0 && length < NAME_MAX_LEN;
}

/* The exported counterpart of `undo`, NULL if there is none. */
static const struct lkmfs_export *counterpart(const struct lkmfs_exports *exports, const char *undo)
{
    static const char *const words[] = {"unregister", "deregister"}, *const prefixes[] = {"", "__"};
    const struct lkmfs_export *found;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        for (size_t k = 0; strcmp(pairs[i].undo, undo) == 0 && k < 3 && pairs[i].make[k]; k++)
            if ((found = lkmfs_exports_find(exports, pairs[i].make[k])))
                return found;
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++) {
            char name[NAME_MAX_LEN];
            if (replaced(undo, words[i], "register", prefixes[k], name) && (found = lkmfs_exports_find(exports, name)))
                return found;
        }
    return NULL;
}

static bool is_imported(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->import_count; i++)
        if (strcmp(draft->imports[i].name, name) == 0)
            return true;
    return false;
}

void counterparts_draft(struct draft *draft, const struct lkmfs_exports *exports)
{
    uint32_t exit_text = draft_find_section(draft, ".exit.text");
    if (exit_text == DRAFT_NONE || draft_find_section(draft, ".init.text") == DRAFT_NONE)
        return;
    size_t added = 0;
    for (size_t i = 0; i < draft->sections[exit_text].relocation_count; i++) {
        const struct draft_target *target = &draft->sections[exit_text].relocations[i].target;
        if (target->kind != DRAFT_TARGET_IMPORT)
            continue;
        const struct lkmfs_export *make = counterpart(exports, draft->imports[target->index].name);
        if (!make || is_imported(draft, make->name))
            continue;
        uint32_t index = draft_import(draft, make->name);
        if (index == DRAFT_NONE)
            return;
        draft->imports[index].inferred = true;
        added++;
    }
    if (added)
        draft_doubt(draft, "%zu imports of the freed init code are inferred from what the exit code undoes", added);
}
