/*
 * Contents stay in memory once they are read, and a hostile image can claim 4,096 modules with a million symbols each.
 * Who gets how much is settled before any is read, so that it depends on nothing but the image.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "module/modules.h"

/* Bytes for all modules together: a desktop's take 30 MiB of symbols, 5 MiB of BTF and 1 MiB of all else. */
#define SYMBOLS_BYTES_MAX ((uint64_t)192 << 20)
#define BTF_BYTES_MAX     ((uint64_t)64 << 20)
#define TABLES_BYTES_MAX  ((size_t)96 << 20)
#define MODULES_USUAL     96

struct need {
    struct module_entry *entry;
    uint64_t bytes;
};

/* Who asks for least comes first: no made-up giant can take the place of a real module. */
static int by_need(const void *a, const void *b)
{
    const struct need *one = a, *other = b;
    if (one->bytes != other->bytes)
        return one->bytes < other->bytes ? -1 : 1;
    return one->entry < other->entry ? -1 : one->entry > other->entry;
}

/* True when `need` is still there, and takes it. */
static bool take(struct need *need, uint64_t *left)
{
    if (need->bytes > *left)
        return false;
    *left -= need->bytes;
    return true;
}

static void refuse(struct lkmfs_modules *modules, struct module_entry *entry, const char *what, uint64_t bytes)
{
    module_doubt(entry, &modules->arena, "%s of %" PRIu64 " bytes are more than modules of any kernel have; left out",
                 what, bytes);
}

bool module_share_memory(struct lkmfs_modules *modules)
{
    uint64_t symbols_left = SYMBOLS_BYTES_MAX, btf_left = BTF_BYTES_MAX;
    modules->table_share = TABLES_BYTES_MAX / (modules->count > MODULES_USUAL ? modules->count : MODULES_USUAL);
    struct need *needs = calloc(modules->count + 1, sizeof(*needs));
    if (!needs)
        return false;
    for (size_t i = 0; i < modules->count; i++)
        needs[i] = (struct need){&modules->entries[i], module_symbols_need(modules, &modules->entries[i].module)};
    qsort(needs, modules->count, sizeof(*needs), by_need);
    for (size_t i = 0; i < modules->count; i++)
        if (!take(&needs[i], &symbols_left)) {
            needs[i].entry->symbols_refused = true;
            refuse(modules, needs[i].entry, "symbols", needs[i].bytes);
        }
    for (size_t i = 0; i < modules->count; i++)
        needs[i].bytes = needs[i].entry->module.btf_size;
    qsort(needs, modules->count, sizeof(*needs), by_need);
    for (size_t i = 0; i < modules->count; i++)
        if (!take(&needs[i], &btf_left)) {
            needs[i].entry->btf_refused = true;
            refuse(modules, needs[i].entry, "types", needs[i].bytes);
        }
    free(needs);
    return true;
}

bool module_share_used(const struct lkmfs_modules *modules, struct module_entry *entry, size_t start, const char *what)
{
    if (entry->arena.used - start <= modules->table_share)
        return false;
    module_doubt(entry, &entry->arena, "%s take more than %zu bytes; the rest is left out", what, modules->table_share);
    return true;
}
