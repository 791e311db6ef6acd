#include "lkmfs/diff.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/decompress.h"
#include "base/overflow.h"
#include "base/zeros.h"
#include "diff/linked.h"
#include "diff/static_call.h"

#define FILE_LIMIT ((size_t)512 << 20)
/* Differing bytes closer than this are one place: an instruction. */
#define MERGE_DISTANCE 8

struct lkmfs_diff {
    struct arena arena;
    uint8_t *bytes; /* of the file */
    struct elf_file memory, file;
    struct link_map map;
    const struct lkmfs_reading *readings;
    size_t reading_count;
    struct lkmfs_difference *items;
    size_t count, capacity;
    uint64_t compared;
    bool failed;
};

/* Tables that the loader sorts in place (KERNEL.md B.5), and bytes of an entry. */
static size_t sorted_entry(const struct elf_section *section)
{
    static const struct {
        const char *name;
        size_t entry;
    } tables[] = {{".orc_unwind_ip", 4}, {".orc_unwind", 6},   {"__ex_table", 12},
                  {"__mcount_loc", 8},   {"__jump_table", 16}, {".static_call_sites", 8}};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (strcmp(tables[i].name, section->name) == 0)
            return tables[i].entry;
    return 0;
}

/* What the kernel keeps of a file: SHF_ALLOC sections but those of the init part and those that the loader consumes. */
static bool is_kept(const struct elf_section *section)
{
    static const char *const consumed[] = {".modinfo", "__versions", "__version_ext_crcs", "__version_ext_names"};
    if (!(section->flags & SHF_ALLOC) || !section->size || strncmp(section->name, ".init", 5) == 0 ||
        strncmp(section->name, ".data..percpu", 13) == 0)
        return false;
    for (size_t i = 0; i < sizeof(consumed) / sizeof(consumed[0]); i++)
        if (strcmp(section->name, consumed[i]) == 0)
            return false;
    return true;
}

static struct lkmfs_difference *add(struct lkmfs_diff *diff, enum lkmfs_difference_kind kind,
                                    const struct elf_section *section)
{
    if (!ARRAY_RESERVE(&diff->items, &diff->capacity, diff->count)) {
        diff->failed = true;
        return NULL;
    }
    struct lkmfs_difference *item = &diff->items[diff->count++];
    *item = (struct lkmfs_difference){.kind = kind,
                                      .significant = !(section->flags & SHF_WRITE),
                                      .code = section->flags & SHF_EXECINSTR,
                                      .section = section->name,
                                      .symbol = "",
                                      .size = section->size};
    return item;
}

/* The named symbol of section `index` that `offset` lies in, or the nearest before; NULL if none. */
static const struct elf_symbol *symbol_around(const struct elf_file *file, size_t index, uint64_t offset)
{
    const struct elf_symbol *best = NULL;
    for (size_t i = 1; i < file->symbol_count; i++) {
        const struct elf_symbol *symbol = &file->symbols[i];
        if (symbol->shndx != index || symbol->value > offset || !*symbol->name)
            continue;
        if (!best || symbol->value > best->value || (symbol->value == best->value && symbol->size > best->size))
            best = symbol;
    }
    return best;
}

static void add_bytes(struct lkmfs_diff *diff, size_t index, const uint8_t *memory, const uint8_t *file,
                      uint64_t offset, uint64_t size)
{
    const struct elf_section *section = &diff->memory.sections[index];
    struct lkmfs_difference *item = add(diff, LKMFS_DIFFERENT_BYTES, section);
    if (!item)
        return;
    const struct elf_symbol *symbol = symbol_around(&diff->memory, index, offset);
    uint64_t start = symbol ? symbol->value : offset;
    item->symbol = symbol ? symbol->name : "";
    item->symbol_offset = offset - start;
    item->offset = offset;
    item->size = size;
    item->memory = memory + start;
    item->file = file + start;
    item->available = section->size - start;
    item->address = linked_address(&diff->map, section->name) + start;
    if (item->significant && symbol && static_call_follows_key(&diff->memory, &diff->map, index, symbol, memory))
        item->significant = false;
}

static void compare_bytes(struct lkmfs_diff *diff, size_t index, const uint8_t *memory, const uint8_t *file,
                          uint64_t size)
{
    for (uint64_t at = 0; at < size; at++) {
        if (memory[at] == file[at])
            continue;
        uint64_t end = at + 1;
        for (uint64_t next = end; next < size && next < end + MERGE_DISTANCE; next++)
            if (memory[next] != file[next])
                end = next + 1;
        add_bytes(diff, index, memory, file, at, end - at);
        at = end - 1;
    }
}

/* Places that memory does not tell hold what the file says where that is one of their readings. */
static void settle_readings(const struct lkmfs_diff *diff, const struct elf_section *section, uint8_t *memory,
                            const uint8_t *file)
{
    uint64_t start = linked_address(&diff->map, section->name);
    for (size_t i = 0; i < diff->reading_count; i++) {
        const struct lkmfs_reading *reading = &diff->readings[i];
        uint64_t offset = reading->address - start;
        if (range_fits(offset, reading->size, section->size) &&
            memcmp(file + offset, reading->bytes, reading->size) == 0)
            memcpy(memory + offset, reading->bytes, reading->size);
    }
}

static int compare_entries(const void *a, const void *b, void *size)
{
    return memcmp(a, b, *(size_t *)size);
}

static void compare_table(struct lkmfs_diff *diff, const struct elf_section *section, uint8_t *memory, uint8_t *file,
                          size_t entry)
{
    size_t count = section->size / entry, different = 0;
    qsort_r(memory, count, entry, compare_entries, &entry);
    qsort_r(file, count, entry, compare_entries, &entry);
    for (size_t i = 0, j = 0; i < count || j < count;) {
        int order = i == count ? 1 : j == count ? -1 : memcmp(memory + i * entry, file + j * entry, entry);
        different += order < 0;
        i += order <= 0;
        j += order >= 0;
    }
    struct lkmfs_difference *item = different ? add(diff, LKMFS_DIFFERENT_ENTRIES, section) : NULL;
    if (item) {
        item->size = different * entry;
        /* Sites that came or went in a writable table (jump labels) are no run-time data. */
        item->significant = true;
    }
}

/*
 * The kernel keeps no sizes. One that was inferred is what memory shows, up to the next section at most: zeros may
 * belong to the section or not, and so the file may have more of them, or fewer.
 */
static bool may_differ_in_size(const struct lkmfs_diff *diff, const struct elf_section *memory,
                               const struct elf_section *file)
{
    uint64_t address = 0, next = UINT64_MAX;
    for (size_t i = 0; i < diff->map.section_count; i++)
        if (strcmp(diff->map.sections[i].name, memory->name) == 0 &&
            diff->map.sections[i].size_from == LKMFS_FROM_INFERRED)
            address = diff->map.sections[i].address;
    for (size_t i = 0; i < diff->map.section_count; i++)
        if (diff->map.sections[i].address > address)
            next = min_u64(next, diff->map.sections[i].address);
    return address && file->size <= next - address;
}

static void add_size(struct lkmfs_diff *diff, const struct elf_section *memory, const struct elf_section *file)
{
    struct lkmfs_difference *item = add(diff, LKMFS_DIFFERENT_SIZE, file);
    if (item)
        item->offset = memory->size;
}

static void compare_section(struct lkmfs_diff *diff, size_t in_memory, size_t in_file)
{
    const struct elf_section *memory = &diff->memory.sections[in_memory], *file = &diff->file.sections[in_file];
    if (memory->type != file->type || (memory->size != file->size && !may_differ_in_size(diff, memory, file))) {
        add_size(diff, memory, file);
        return;
    }
    struct elf_section common = *memory;
    common.size = min_u64(memory->size, file->size);
    size_t entry = sorted_entry(file);
    uint8_t *one = linked_section(&diff->memory, in_memory, &diff->map, entry != 0, &diff->arena);
    uint8_t *other = linked_section(&diff->file, in_file, &diff->map, entry != 0, &diff->arena);
    if (!one || !other)
        return;
    if (!is_all_zero(one + common.size, memory->size - common.size) ||
        !is_all_zero(other + common.size, file->size - common.size)) {
        add_size(diff, memory, file);
        return;
    }
    settle_readings(diff, &common, one, other);
    if (!(file->flags & SHF_WRITE))
        diff->compared += common.size;
    if (entry)
        compare_table(diff, &common, one, other, entry);
    else
        compare_bytes(diff, in_memory, one, other, common.size);
}

static void compare_sections(struct lkmfs_diff *diff)
{
    for (size_t i = 1; i < diff->file.section_count; i++) {
        const struct elf_section *section = &diff->file.sections[i];
        if (!is_kept(section))
            continue;
        size_t other = elf_find_section(&diff->memory, section->name);
        if (other)
            compare_section(diff, other, i);
        else
            (void)add(diff, LKMFS_ONLY_IN_FILE, section);
    }
    for (size_t i = 1; i < diff->memory.section_count; i++)
        if (is_kept(&diff->memory.sections[i]) && !elf_find_section(&diff->file, diff->memory.sections[i].name))
            (void)add(diff, LKMFS_ONLY_IN_MEMORY, &diff->memory.sections[i]);
}

/* A named symbol of a kept section, with the section's name as second key. */
struct keyed {
    const struct elf_symbol *symbol;
    const struct elf_section *section;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *one = a, *other = b;
    int order = strcmp(one->symbol->name, other->symbol->name);
    if (!order)
        order = strcmp(one->section->name, other->section->name);
    if (order)
        return order;
    return (one->symbol->value > other->symbol->value) - (one->symbol->value < other->symbol->value);
}

static struct keyed *sorted_symbols(const struct elf_file *file, struct arena *arena, size_t *count)
{
    struct keyed *list = arena_array(arena, file->symbol_count, sizeof(*list));
    *count = 0;
    for (size_t i = 1; list && i < file->symbol_count; i++) {
        const struct elf_symbol *symbol = &file->symbols[i];
        unsigned type = ELF64_ST_TYPE(symbol->info);
        if (symbol->shndx && symbol->shndx < file->section_count && *symbol->name && type != STT_SECTION &&
            type != STT_FILE && is_kept(&file->sections[symbol->shndx]))
            list[(*count)++] = (struct keyed){symbol, &file->sections[symbol->shndx]};
    }
    if (list && *count)
        qsort(list, *count, sizeof(*list), by_key);
    return list;
}

static void add_symbol(struct lkmfs_diff *diff, enum lkmfs_difference_kind kind, const struct keyed *key)
{
    struct lkmfs_difference *item = add(diff, kind, key->section);
    if (item) {
        item->symbol = key->symbol->name;
        item->offset = key->symbol->value;
        item->size = key->symbol->size;
        item->significant = true;
    }
}

static void compare_symbols(struct lkmfs_diff *diff)
{
    size_t ours, theirs, i = 0, j = 0;
    const struct keyed *memory = sorted_symbols(&diff->memory, &diff->arena, &ours);
    const struct keyed *file = sorted_symbols(&diff->file, &diff->arena, &theirs);
    while (memory && file && (i < ours || j < theirs)) {
        int order = i == ours ? 1 : j == theirs ? -1 : by_key(&memory[i], &file[j]);
        bool same_name = i < ours && j < theirs && strcmp(memory[i].symbol->name, file[j].symbol->name) == 0 &&
                         strcmp(memory[i].section->name, file[j].section->name) == 0;
        if (same_name && (order || memory[i].symbol->size != file[j].symbol->size)) {
            add_symbol(diff, LKMFS_DIFFERENT_SYMBOL, &memory[i]);
            order = 0;
        } else if (order) {
            add_symbol(diff, order < 0 ? LKMFS_ONLY_IN_MEMORY : LKMFS_ONLY_IN_FILE, order < 0 ? &memory[i] : &file[j]);
        }
        i += order <= 0;
        j += order >= 0;
    }
}

bool lkmfs_diff_open(const struct lkmfs_builder *builder, const struct lkmfs_object *object, FILE *file,
                     const char *path, struct lkmfs_diff **ret, struct lkmfs_error *err)
{
    struct lkmfs_diff *diff = calloc(1, sizeof(*diff));
    if (!diff)
        return lkmfs_fail_memory(err);
    size_t size, own_size;
    const uint8_t *own = lkmfs_object_bytes(object, &own_size);
    if (!read_file_unpacked(file, path, FILE_LIMIT, &diff->bytes, &size, err) ||
        !elf_read(diff->bytes, size, path, &diff->arena, &diff->file, err) ||
        !elf_read(own, own_size, "the rebuilt module", &diff->arena, &diff->memory, err)) {
        lkmfs_diff_close(diff);
        return false;
    }
    diff->map.sections = lkmfs_object_sections(object, &diff->map.section_count);
    diff->map.exports = lkmfs_builder_exports(builder);
    diff->readings = lkmfs_object_readings(object, &diff->reading_count);
    compare_sections(diff);
    compare_symbols(diff);
    if (diff->failed || diff->arena.failed) {
        lkmfs_diff_close(diff);
        return lkmfs_fail_memory(err);
    }
    *ret = diff;
    return true;
}

void lkmfs_diff_close(struct lkmfs_diff *diff)
{
    if (!diff)
        return;
    arena_release(&diff->arena);
    free(diff->bytes);
    free(diff->items);
    free(diff);
}

const struct lkmfs_difference *lkmfs_diff_items(const struct lkmfs_diff *diff, size_t *count)
{
    *count = diff->count;
    return diff->items;
}

bool lkmfs_diff_equal(const struct lkmfs_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++)
        if (diff->items[i].significant)
            return false;
    return true;
}

uint64_t lkmfs_diff_compared(const struct lkmfs_diff *diff)
{
    return diff->compared;
}
