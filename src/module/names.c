#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "module/modules.h"

/*
 * Letters, digits, _ and inner - and dots stay: a name can neither be hidden, nor leave its folder, nor break a
 * terminal, nor be taken for an option.
 */
static char *safe_name(struct arena *arena, const char *name)
{
    char *safe = arena_string(arena, *name ? name : "unnamed");
    for (char *c = safe; c && *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '_' ||
                     (*c == '-' && c > safe) || (*c == '.' && c > safe && c[1] && c[1] != '.' && c[-1] != '.');
        if (!plain)
            *c = '_';
    }
    return safe;
}

/* The one on the kernel's list keeps the plain name, then the lowest address. */
static bool yields(const struct lkmfs_module *one, const struct lkmfs_module *other)
{
    bool listed = one->traces & LKMFS_TRACE_LIST, other_listed = other->traces & LKMFS_TRACE_LIST;
    return listed != other_listed ? other_listed : one->address > other->address;
}

bool module_name_files(struct lkmfs_modules *modules)
{
    char **safe = calloc(modules->count + 1, sizeof(*safe));
    if (!safe)
        return false;
    for (size_t i = 0; i < modules->count; i++) {
        safe[i] = safe_name(&modules->arena, modules->entries[i].module.name);
        if (!safe[i])
            safe[i] = "";
    }
    for (size_t i = 0; i < modules->count; i++) {
        struct lkmfs_module *module = &modules->entries[i].module;
        bool shared = false;
        for (size_t j = 0; j < modules->count; j++)
            shared |= j != i && strcmp(safe[i], safe[j]) == 0 && yields(module, &modules->entries[j].module);
        /* '@' is in no safe name, so a made-up suffix can't clash with a real name. */
        module->file = shared ? arena_format(&modules->arena, "%s@%" PRIx64, safe[i], module->address) : safe[i];
    }
    free(safe);
    return !modules->arena.failed;
}
