/* The export tables of the kernel and of all modules (include/linux/export.h, kernel/module). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "base/overflow.h"
#include "module/modules.h"

/* Of the kernel and all modules together; distribution kernels have some 60,000, in 2 MiB of names. */
#define EXPORTS_MAX ((uint64_t)1 << 19)
#define STRINGS_MAX ((uint64_t)64 << 20)
#define ENTRY_MAX   64
#define NAME_LIMIT  512

struct lkmfs_exports {
    struct arena arena;
    struct lkmfs_export *items; /* ascending by address */
    size_t count, capacity;
    uint32_t *by_name; /* open addressing, index + 1, 0 for free */
    size_t mask;
    uint64_t seed;
    uint64_t strings_left; /* bytes of names that may still be read */
    bool failed;
};

/* One __ksymtab with what belongs to it. */
struct export_table {
    uint64_t symbols, crcs, flags; /* addresses; 0 if none */
    uint64_t count;
    size_t module;
    bool gpl;
};

/* struct kernel_symbol: three self-relative offsets (PREL32 machines, since 4.19), or three pointers. */
struct export_layout {
    uint64_t size; /* 0: not known */
    bool relative, has_space;
};

static struct export_layout layout_of(const struct lkmfs_types *types)
{
    struct export_layout l = {0};
    struct lkmfs_field field;
    l.relative = lkmfs_types_field(types, "kernel_symbol", "value_offset", &field);
    l.has_space = lkmfs_types_field(types, "kernel_symbol", l.relative ? "namespace_offset" : "namespace", &field);
    uint64_t least = (l.relative ? UINT64_C(4) : UINT64_C(8)) * (l.has_space ? 3 : 2);
    if (!lkmfs_types_size(types, "kernel_symbol", &l.size) || l.size < least || l.size > ENTRY_MAX)
        l.size = 0;
    return l;
}

/* Address that field `index` of the entry at `entry` (its bytes at `raw`) refers to. */
static uint64_t reference(const struct export_layout *l, const uint8_t *raw, uint64_t entry, size_t index)
{
    if (l->relative)
        return entry + index * 4 + (uint64_t)(int64_t)(int32_t)le32(raw + index * 4);
    return le64(raw + index * 8);
}

/* All names of a table lie close together in __ksymtab_strings: one read serves them all. */
struct strings {
    uint64_t start;
    char *bytes; /* NUL-terminated */
    size_t size;
};

/* Takes `size` bytes of what may still be read; false when they are no longer there. */
static bool take_room(struct lkmfs_exports *exports, uint64_t size)
{
    if (size > exports->strings_left)
        return false;
    exports->strings_left -= size;
    return true;
}

static struct strings read_strings(const struct lkmfs_modules *modules, struct lkmfs_exports *exports,
                                   const struct export_layout *l, const uint8_t *raw, const struct export_table *table)
{
    uint64_t low = UINT64_MAX, high = 0, size;
    for (uint64_t i = 0; i < table->count; i++) {
        uint64_t name = reference(l, raw + i * l->size, table->symbols + i * l->size, 1);
        low = min_u64(low, name);
        high = max_u64(high, name);
    }
    struct strings ret = {.start = low};
    if (high < low || !add_u64(high - low, NAME_LIMIT, &size) || !take_room(exports, size))
        return ret;
    ret.size = size;
    ret.bytes = arena_alloc(&exports->arena, ret.size + 1);
    if (ret.bytes)
        (void)lkmfs_space_read_sparse(modules->space, low, ret.bytes, ret.size, NULL, NULL);
    return ret;
}

/* The name at `address`, NULL when there is none of a sensible length. */
static const char *string_in(const struct lkmfs_modules *modules, struct lkmfs_exports *exports,
                             const struct strings *strings, uint64_t address)
{
    if (strings->bytes && address >= strings->start && address - strings->start < strings->size) {
        const char *name = strings->bytes + (address - strings->start);
        return strnlen(name, NAME_LIMIT) < NAME_LIMIT ? name : NULL;
    }
    return take_room(exports, NAME_LIMIT) ? string_at(modules, &exports->arena, address, NAME_LIMIT) : NULL;
}

static void add_export(struct lkmfs_exports *exports, const struct lkmfs_export *item)
{
    if (exports->count == exports->capacity) {
        size_t grown = exports->capacity ? exports->capacity * 2 : 16384;
        struct lkmfs_export *items = reallocarray(exports->items, grown, sizeof(*items));
        if (!items) {
            exports->failed = true;
            return;
        }
        exports->items = items;
        exports->capacity = grown;
    }
    exports->items[exports->count++] = *item;
}

static void read_table(const struct lkmfs_modules *modules, struct lkmfs_exports *exports,
                       const struct export_table *table)
{
    struct export_layout l = layout_of(modules->types);
    if (!l.size || !table->symbols || !table->count || table->count > EXPORTS_MAX - exports->count)
        return;
    size_t count = (size_t)table->count;
    uint8_t *raw = calloc(count, l.size);
    uint8_t *crcs = calloc(count, 4), *flags = calloc(count, 1);
    if (raw && crcs && flags && lkmfs_space_read(modules->space, table->symbols, raw, count * l.size)) {
        bool has_crcs = table->crcs && lkmfs_space_read_exact(modules->space, table->crcs, crcs, count * 4);
        if (table->flags)
            (void)lkmfs_space_read_exact(modules->space, table->flags, flags, count);
        struct strings strings = read_strings(modules, exports, &l, raw, table);
        for (size_t i = 0; i < count && !exports->failed; i++) {
            const uint8_t *entry = raw + i * l.size;
            uint64_t at = table->symbols + i * l.size;
            const char *name = string_in(modules, exports, &strings, reference(&l, entry, at, 1));
            uint64_t space_at = l.has_space ? reference(&l, entry, at, 2) : 0;
            const char *space = space_at && space_at != at + 8 ? string_in(modules, exports, &strings, space_at) : "";
            if (!name || !*name)
                continue;
            add_export(exports, &(struct lkmfs_export){.name = name,
                                                       .name_space = space ? space : "",
                                                       .address = reference(&l, entry, at, 0),
                                                       .module = table->module,
                                                       .crc = le32(crcs + i * 4),
                                                       .has_crc = has_crcs,
                                                       .gpl = table->gpl || flags[i] & 1});
        }
    }
    free(raw);
    free(crcs);
    free(flags);
}

static void read_kernel(const struct lkmfs_modules *modules, struct lkmfs_exports *exports, const char *suffix)
{
    const struct lkmfs_symbols *symbols = lkmfs_kernel_symbols(modules->kernel);
    struct export_layout l = layout_of(modules->types);
    char name[64];
    uint64_t start, end, crc_start, crc_end, flags;
    (void)snprintf(name, sizeof(name), "__start___ksymtab%s", suffix);
    bool found = lkmfs_symbols_find(symbols, name, &start);
    (void)snprintf(name, sizeof(name), "__stop___ksymtab%s", suffix);
    if (!found || !l.size || !lkmfs_symbols_find(symbols, name, &end) || end <= start)
        return;
    struct export_table table = {.symbols = start, .count = (end - start) / l.size, .module = SIZE_MAX, .gpl = *suffix};
    (void)snprintf(name, sizeof(name), "__start___kcrctab%s", suffix);
    found = lkmfs_symbols_find(symbols, name, &crc_start);
    (void)snprintf(name, sizeof(name), "__stop___kcrctab%s", suffix);
    /* Without MODVERSIONS the symbols are there and the table is empty. */
    if (found && lkmfs_symbols_find(symbols, name, &crc_end) && crc_end - crc_start == table.count * 4)
        table.crcs = crc_start;
    if (!*suffix && lkmfs_symbols_find(symbols, "__start___kflagstab", &flags)) /* 7.2 */
        table.flags = flags;
    read_table(modules, exports, &table);
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
        read_table(modules, exports, &tables[i]);
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
