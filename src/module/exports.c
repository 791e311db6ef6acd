/* The export tables of the kernel and of all modules (include/linux/export.h, kernel/module). */
#include "module/exports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Bytes of names; distribution kernels have some 2 MiB. */
#define STRINGS_MAX ((uint64_t)64 << 20)

static void read_kernel(const struct lkmfs_modules *modules, struct lkmfs_exports *exports, const char *suffix)
{
    const struct lkmfs_symbols *symbols = lkmfs_kernel_symbols(modules->kernel);
    uint64_t size = export_entry_size(modules->types);
    char name[64];
    uint64_t start, end, crc_start, crc_end, flags;
    (void)snprintf(name, sizeof(name), "__start___ksymtab%s", suffix);
    bool found = lkmfs_symbols_find(symbols, name, &start);
    (void)snprintf(name, sizeof(name), "__stop___ksymtab%s", suffix);
    if (!found || !size || !lkmfs_symbols_find(symbols, name, &end) || end <= start)
        return;
    struct export_table table = {.symbols = start, .count = (end - start) / size, .module = SIZE_MAX, .gpl = *suffix};
    (void)snprintf(name, sizeof(name), "__start___kcrctab%s", suffix);
    found = lkmfs_symbols_find(symbols, name, &crc_start);
    (void)snprintf(name, sizeof(name), "__stop___kcrctab%s", suffix);
    /* Without MODVERSIONS the symbols are there and the table is empty. */
    if (found && lkmfs_symbols_find(symbols, name, &crc_end) && crc_end - crc_start == table.count * 4)
        table.crcs = crc_start;
    if (!*suffix && lkmfs_symbols_find(symbols, "__start___kflagstab", &flags)) /* 7.2 */
        table.flags = flags;
    export_table_read(modules, exports, &table);
}

/* Fields of struct module that describe its tables; a kernel has some of them. */
struct module_tables {
    struct lkmfs_field syms, crcs, count, flags, gpl_syms, gpl_crcs, gpl_count;
};

static struct module_tables module_tables_of(const struct lkmfs_types *types)
{
    struct module_tables t = {0};
    (void)lkmfs_types_field(types, "module", "syms", &t.syms);
    (void)lkmfs_types_field(types, "module", "crcs", &t.crcs);
    (void)lkmfs_types_field(types, "module", "num_syms", &t.count);
    (void)lkmfs_types_field(types, "module", "flagstab", &t.flags);
    (void)lkmfs_types_field(types, "module", "gpl_syms", &t.gpl_syms);
    (void)lkmfs_types_field(types, "module", "gpl_crcs", &t.gpl_crcs);
    (void)lkmfs_types_field(types, "module", "num_gpl_syms", &t.gpl_count);
    return t;
}

/* The shortest come first, so that what a damaged or made-up one takes is not missing for a real one. */
static int by_count(const void *a, const void *b)
{
    const struct export_table *one = a, *other = b;
    if (one->count != other->count)
        return one->count < other->count ? -1 : 1;
    if (one->module != other->module)
        return one->module < other->module ? -1 : 1;
    return (int)one->gpl - (int)other->gpl;
}

static void read_modules(const struct lkmfs_modules *modules, struct lkmfs_exports *exports)
{
    struct module_tables t = module_tables_of(modules->types);
    struct export_table *tables = calloc(modules->count + 1, 2 * sizeof(*tables));
    if (!tables) {
        exports->failed = true;
        return;
    }
    for (size_t i = 0; i < modules->count; i++) {
        const struct lkmfs_module *m = &modules->entries[i].module;
        tables[2 * i] = (struct export_table){module_field(m, &t.syms),
                                              module_field(m, &t.crcs),
                                              module_field(m, &t.flags),
                                              module_field(m, &t.count),
                                              i,
                                              false};
        tables[2 * i + 1] = (struct export_table){
            module_field(m, &t.gpl_syms), module_field(m, &t.gpl_crcs), 0, module_field(m, &t.gpl_count), i, true};
    }
    qsort(tables, 2 * modules->count, sizeof(*tables), by_count);
    for (size_t i = 0; i < 2 * modules->count && !exports->failed; i++)
        export_table_read(modules, exports, &tables[i]);
    free(tables);
}

static int by_address(const void *a, const void *b)
{
    const struct lkmfs_export *one = a, *other = b;
    if (one->address != other->address)
        return one->address < other->address ? -1 : 1;
    return strcmp(one->name, other->name);
}

static bool index_names(struct lkmfs_exports *exports)
{
    size_t slots = 1024;
    while (slots < exports->count * 2)
        slots *= 2;
    exports->mask = slots - 1;
    exports->seed = hash_seed();
    exports->by_name = calloc(slots, sizeof(*exports->by_name));
    for (size_t i = 0; exports->by_name && i < exports->count; i++) {
        const char *name = exports->items[i].name;
        size_t slot = hash_name(name, exports->seed) & exports->mask;
        while (exports->by_name[slot] && strcmp(exports->items[exports->by_name[slot] - 1].name, name) != 0)
            slot = (slot + 1) & exports->mask;
        if (!exports->by_name[slot]) /* the first of a name counts */
            exports->by_name[slot] = (uint32_t)i + 1;
    }
    return exports->by_name != NULL;
}

bool lkmfs_exports_open(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_exports **ret,
                        struct lkmfs_error *err)
{
    struct lkmfs_exports *exports = calloc(1, sizeof(*exports));
    if (!exports)
        return lkmfs_fail_memory(err);
    exports->strings_left = STRINGS_MAX;
    read_kernel(modules, exports, "");
    read_kernel(modules, exports, "_gpl");
    size_t own = exports->count;
    read_modules(modules, exports);
    if (exports->count)
        qsort(exports->items, exports->count, sizeof(*exports->items), by_address);
    if (exports->failed || exports->arena.failed || !index_names(exports)) {
        lkmfs_exports_close(exports);
        return lkmfs_fail_memory(err);
    }
    if (own)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "exports: %zu of the kernel, %zu of modules", own, exports->count - own);
    else
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "the kernel's export tables are not named by kallsyms: imports will lack their names");
    *ret = exports;
    return true;
}

void lkmfs_exports_close(struct lkmfs_exports *exports)
{
    if (!exports)
        return;
    free(exports->items);
    free(exports->by_name);
    arena_release(&exports->arena);
    free(exports);
}

size_t lkmfs_exports_count(const struct lkmfs_exports *exports)
{
    return exports->count;
}

const struct lkmfs_export *lkmfs_exports_at(const struct lkmfs_exports *exports, size_t index)
{
    return &exports->items[index];
}

size_t lkmfs_exports_nearest(const struct lkmfs_exports *exports, uint64_t address)
{
    size_t low = 0, high = exports->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (exports->items[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : SIZE_MAX;
}

const struct lkmfs_export *lkmfs_exports_find(const struct lkmfs_exports *exports, const char *name)
{
    size_t slot = hash_name(name, exports->seed) & exports->mask;
    while (exports->by_name[slot]) {
        const struct lkmfs_export *item = &exports->items[exports->by_name[slot] - 1];
        if (strcmp(item->name, name) == 0)
            return item;
        slot = (slot + 1) & exports->mask;
    }
    return NULL;
}
