/* The entries of __ksymtab, __kcrctab and __kflagstab (include/linux/export-internal.h). */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "module/exports.h"

/* Of the kernel and all modules together; distribution kernels have some 60,000. */
#define EXPORTS_MAX ((uint64_t)1 << 19)
#define ENTRY_MAX   64
#define NAME_LIMIT  512

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

void export_table_read(const struct lkmfs_modules *modules, struct lkmfs_exports *exports,
                       const struct export_table *table)
{
    struct export_layout l = layout_of(modules->types);
    if (!l.size || !table->symbols || !table->count || table->count > EXPORTS_MAX - exports->count)
        return;
    size_t count = (size_t)table->count;
    uint8_t *raw = calloc(count, l.size);
    uint8_t *crcs = calloc(count, 4), *flags = calloc(count, 1);
    bool memory = raw && crcs && flags;
    exports->failed |= !memory;
    if (memory &&
        lkmfs_space_read_sparse(modules->space, table->symbols, raw, count * l.size, NULL, NULL) < count * l.size) {
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

uint64_t export_entry_size(const struct lkmfs_types *types)
{
    return layout_of(types).size;
}
