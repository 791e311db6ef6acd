/*
 * ata.c - struct ata_port_operations: pointers to functions, and last to the table that is inherited from. When a host
 * is started, libata fills in what a table left to those it inherits from, and clears that last pointer
 * (drivers/ata/libata-core.c ata_finalize_port_ops() since 2.6.26, where "all fields must be pointers").
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/data.h"

#define SLOTS_MAX   ((size_t)128)
#define SLOTS_MIN   ((size_t)16)
#define DEPTH_MAX   8
#define TABLES_MAX  256            /* of a module that are looked at */
#define NAMES_MAX   64             /* of libata around one of its tables */
#define SLOT_NULL   ((uint64_t)-2) /* ATA_OP_NULL: set to nothing, and not to be inherited */
#define IS_ERROR(w) ((w) >= (uint64_t)-4095)

struct table {
    uint64_t address;
    uint64_t words[SLOTS_MAX]; /* with what is inherited */
    size_t count;              /* the last is what it inherits from */
};

static bool read_words(const struct restore *r, uint64_t address, uint64_t *words, size_t count)
{
    uint8_t bytes[SLOTS_MAX * 8];
    if (count == 0 || count > SLOTS_MAX || !context_read(r->context, address, bytes, count * 8))
        return false;
    for (size_t i = 0; i < count; i++) {
        words[i] = le64(bytes + i * 8);
        if (words[i] && !is_kernel_map(words[i]) && !IS_ERROR(words[i]))
            return false;
    }
    return true;
}

/* The table at `address` with `count` words, and all that it inherits: from the first table of all in the end. */
static bool read_table(const struct restore *r, uint64_t address, size_t count, struct table *ret)
{
    uint64_t words[SLOTS_MAX] = {0}, at = address;
    *ret = (struct table){.address = address, .count = count};
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        if (!read_words(r, at, words, count))
            return false;
        for (size_t i = 0; i < count; i++)
            ret->words[i] = ret->words[i] ? ret->words[i] : words[i];
        if (words[count - 1] == 0) {
            const char *name = context_symbol(r->context, at);
            return name && strcmp(name, "ata_base_port_ops") == 0;
        }
        at = words[count - 1];
    }
    return false;
}

/* How many words of a table are inherited from `from`; 0 when it does not hold all that it would inherit. */
static size_t count_inherited(const uint64_t *words, const struct table *from)
{
    size_t count = 0, others = 0;
    for (size_t i = 0; i + 1 < from->count; i++) {
        bool has = from->words[i] && !IS_ERROR(from->words[i]);
        count += has && words[i] == from->words[i];
        others += has && words[i] == 0;
    }
    return count > others ? count - others : 0;
}

static bool is_table_name(const char *name)
{
    size_t length = strlen(name);
    return length > 9 && strcmp(name + length - 9, "_port_ops") == 0;
}

/* The exported table that explains most of `words`, the nearest to the first one where several do. */
static bool find_parent(const struct restore *r, const uint64_t *words, size_t count, struct table *ret)
{
    size_t base = context_name(r->context, r->context->ata_ops), best = 0;
    size_t first = base > NAMES_MAX ? base - NAMES_MAX : 0;
    for (size_t i = first; i < r->context->name_count && i < base + NAMES_MAX; i++) {
        const struct import_name *name = &r->context->names[i];
        struct table table;
        if (name->module != r->context->names[base].module || !is_table_name(name->name) ||
            !read_table(r, name->address, count, &table))
            continue;
        size_t inherited = count_inherited(words, &table);
        if (inherited > best) {
            best = inherited;
            *ret = table;
        }
    }
    return best > 1;
}

/* Whether another table of the module explains more of `words` than `parent`: then that may be what it inherits from.
 */
static bool has_own_parent(const struct restore *r, const struct draft_symbol *object, const uint64_t *words,
                           const struct table *parent)
{
    uint64_t address = section_at(r, object->section)->address + object->value;
    for (size_t i = 0, tables = 0; i < r->place_count && tables < TABLES_MAX; i++) {
        const struct draft_symbol *other = &r->draft->symbols[r->places[i].symbol];
        if (other == object || other->section != object->section || other->size != object->size)
            continue;
        struct table table = {.count = parent->count};
        tables++;
        if (read_words(r, r->places[i].address, table.words, table.count) && table.words[table.count - 1] != address &&
            count_inherited(words, &table) > count_inherited(words, parent))
            return true;
    }
    return false;
}

/* Whether the object may be such a table: then it was looked at closely. */
static bool restore_ops(struct restore *r, const struct draft_symbol *object)
{
    size_t count = object->size / 8;
    uint64_t words[SLOTS_MAX] = {0};
    struct table parent;
    if (!read_words(r, section_at(r, object->section)->address + object->value, words, count) || words[count - 1])
        return false;
    if (!find_parent(r, words, count, &parent) || has_own_parent(r, object, words, &parent))
        return true;
    for (size_t i = 0; i + 1 < count; i++) {
        bool has = parent.words[i] && !IS_ERROR(parent.words[i]);
        if (has && (words[i] == parent.words[i] || words[i] == 0))
            write_word(r, object->section, object->value + i * 8, words[i] ? 0 : SLOT_NULL);
    }
    write_word(r, object->section, object->value + (count - 1) * 8, parent.address);
    return true;
}

void restore_ata_ops(struct restore *r)
{
    if (r->context->ata_ops == 0)
        return;
    for (size_t i = 0, tables = 0; i < r->place_count && tables < TABLES_MAX; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        const struct draft_section *section = section_at(r, symbol->section);
        if (ELF64_ST_TYPE(symbol->info) == STT_OBJECT && strcmp(section->name, ".data") == 0 && section->data &&
            symbol->size % 8 == 0 && symbol->size >= SLOTS_MIN * 8 && symbol->size <= SLOTS_MAX * 8 &&
            symbol->value <= section->size && symbol->size <= section->size - symbol->value)
            tables += restore_ops(r, symbol);
    }
}
