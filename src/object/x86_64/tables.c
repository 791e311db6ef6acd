#include "object/x86_64/tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/emission.h"
#include "object/x86_64/objects.h"
#include "object/x86_64/sites.h"
#include "object/x86_64/unwind.h"

#define ORC_ENTRY    6
#define BUGFLAG_DONE (1u << 2) /* WARN_ONCE() has fired */

static const struct table_shape shapes[] = {
    {".orc_unwind_ip", 4, {{0, FIELD_ORC, 0}}, ORDER_BY_PLACE},
    {".smp_locks", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {".return_sites", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {".retpoline_sites", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {".call_sites", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {".cfi_sites", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {".ibt_endbr_seal", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {"__tracepoints_ptrs", 4, {{0, FIELD_NAME, 0}}, ORDER_KEPT},
    {"__kcfi_traps", 4, {{0, FIELD_LABEL, 0}}, ORDER_KEPT},
    {"__mcount_loc", 8, {{0, FIELD_ADDRESS, 0}}, ORDER_BY_CODE},
    {"__patchable_function_entries", 8, {{0, FIELD_ADDRESS, 0}}, ORDER_KEPT},
    {"_ftrace_events", 8, {{0, FIELD_ADDRESS, 0}}, ORDER_KEPT},
    {"_ftrace_eval_map", 8, {{0, FIELD_ADDRESS, 0}}, ORDER_KEPT},
    {"__ex_table", 12, {{0, FIELD_LABEL, 0}, {4, FIELD_LABEL, 0}, {8, FIELD_HANDLER, 0}}, ORDER_BY_CODE},
    {"__bug_table", 0, {{0, FIELD_LABEL, 0}, {4, FIELD_LABEL, 12}, {8, FIELD_LABEL, 16}}, ORDER_KEPT},
    {"__ksymtab", 12, {{0, FIELD_NAME, 0}, {4, FIELD_NAME, 0}, {8, FIELD_NAME, 0}}, ORDER_KEPT},
    {"__ksymtab_gpl", 12, {{0, FIELD_NAME, 0}, {4, FIELD_NAME, 0}, {8, FIELD_NAME, 0}}, ORDER_KEPT},
    {"__kcrctab", 4, {{0, FIELD_CRC, 0}}, ORDER_KEPT},
    {"__kcrctab_gpl", 4, {{0, FIELD_CRC, 0}}, ORDER_KEPT},
    {".altinstructions", 0, {{0, FIELD_LABEL, 0}, {4, FIELD_REPLACEMENT, 0}}, ORDER_KEPT},
    {".parainstructions", 16, {{0, FIELD_ADDRESS, 0}}, ORDER_KEPT},
    {".static_call_sites", 8, {{0, FIELD_LABEL, 0}, {4, FIELD_CALL_KEY, 0}}, ORDER_BY_PLACE},
    {"__jump_table", 16, {{0, FIELD_LABEL, 0}, {4, FIELD_LABEL, 0}, {8, FIELD_JUMP_KEY, 0}}, ORDER_BY_CODE},
};

const struct table_shape *table_shape(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

static bool is_bug_size(uint64_t size)
{
    return size >= 8 && size <= 16;
}

/* struct bug_entry: by the module's own count, else by the kernel's types, of which either may be damaged. */
static unsigned bug_size(const struct restore *r, const struct draft_section *section)
{
    for (size_t i = 0; i < r->draft->module->table_count; i++) {
        const struct lkmfs_table_entry *table = &r->draft->module->tables[i];
        if (strcmp(table->section, "__bug_table") == 0 && table->address == section->address &&
            is_bug_size(table->entry))
            return (unsigned)table->entry;
    }
    return is_bug_size(r->context->shapes.bug) ? r->context->shapes.bug : 12;
}

unsigned entry_size(const struct restore *r, const struct table_shape *shape, const struct draft_section *section)
{
    if (shape->entry)
        return shape->entry;
    return strcmp(shape->name, "__bug_table") == 0 ? bug_size(r, section) : alternative_size(r, section);
}

/* ---- fields ---- */

struct field_place {
    struct draft_section *section;
    uint32_t index;       /* of the section */
    uint64_t from, to;    /* offsets of the entry in memory's order and on disk */
    unsigned offset;      /* of the field */
    const uint8_t *bytes; /* of the field, as in memory */
    uint64_t address;     /* where the field lay */
    const uint8_t *entry;
};

static uint64_t relative(const struct field_place *field)
{
    return field->address + (uint64_t)(int64_t)(int32_t)le32(field->bytes);
}

static bool find_replacement(struct restore *r, uint64_t address, struct target *ret)
{
    uint32_t index;
    const struct draft_section *section = section_named(r, ".altinstr_replacement", &index);
    if (!section || address != section->address + section->size)
        return target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, ret);
    *ret = (struct target){
        {DRAFT_TARGET_SECTION, index, (int64_t)section->size}, index, section->size, LKMFS_FROM_RESTORED};
    return true;
}

static bool find_jump_key(struct restore *r, const struct field_place *field, struct target *ret)
{
    struct site_entry entry = {field->address - field->offset, field->entry};
    struct jump_label label;
    bool known = jump_label_read(r, &entry, &label);
    bool mark = r->context->shapes.jump_nop_mark && !label.jump;
    if (!target_find(r, label.key, label.branch + (mark ? 2 : 0), TARGET_TABLE, ret))
        return false;
    if (!known)
        ret->from = LKMFS_FROM_INFERRED;
    return true;
}

static bool find_call_key(struct restore *r, const struct field_place *field, struct target *ret)
{
    struct site_entry entry = {field->address - field->offset, field->entry};
    struct static_call call;
    if (!static_call_read(r, &entry, &call))
        return false;
    if (call.own)
        return target_find(r, call.key, call.tail, TARGET_TABLE, ret);
    uint32_t import = draft_import(r->draft, call.name);
    *ret = (struct target){{DRAFT_TARGET_IMPORT, import, call.tail}, DRAFT_NONE, 0, LKMFS_FROM_RESTORED};
    return import != DRAFT_NONE;
}

/* [-5.11] a CRC is the value of an absolute symbol; the export at the same index of the other table names it. */
static void relocate_crc(struct restore *r, const struct field_place *field)
{
    uint32_t index;
    const struct draft_section *exports =
        section_named(r, strcmp(field->section->name, "__kcrctab") == 0 ? "__ksymtab" : "__ksymtab_gpl", &index);
    uint64_t at = field->from / 4 * 12 + 4;
    char name[256];
    uint8_t offset[4]; /* from memory: the table's own bytes may be restored already */
    if (!field->section->has_rela || !exports || at + 4 > exports->size || le32(field->bytes) == 0 ||
        !context_read(r->context, exports->address + at, offset, sizeof(offset)))
        return;
    uint64_t string = exports->address + at + (uint64_t)(int64_t)(int32_t)le32(offset);
    size_t length = 0;
    while (length + 1 < sizeof(name) && context_read(r->context, string + length, name + length, 1) && name[length])
        length++;
    name[length] = '\0';
    struct draft_symbol symbol = {.name = draft_string(r->draft, "__crc_%s", name),
                                  .section = DRAFT_NONE,
                                  .value = le32(field->bytes),
                                  .info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE),
                                  .from = LKMFS_FROM_RESTORED};
    struct target target = {.section = DRAFT_NONE, .from = LKMFS_FROM_RESTORED};
    target.draft = (struct draft_target){DRAFT_TARGET_SYMBOL, (uint32_t)r->draft->symbol_count, 0};
    draft_add_symbol(r->draft, &symbol);
    if (!r->draft->out_of_memory)
        relocate(r, field->index, field->to, R_X86_64_32, &target);
}

/* Relocation type of a field, R_X86_64_NONE if it has none; *found tells whether its target is known. */
static uint32_t find_field(struct restore *r, const struct field_place *field, uint8_t kind, bool *found,
                           struct target *target)
{
    switch (kind) {
    case FIELD_NAME:
        *found = target_find(r, relative(field), 0, TARGET_TABLE, target);
        return R_X86_64_PC32;
    case FIELD_ADDRESS:
        *found = target_find(r, le64(field->bytes), 0, TARGET_TABLE | TARGET_LABEL, target);
        return le64(field->bytes) ? R_X86_64_64 : R_X86_64_NONE;
    case FIELD_ORC:
        *found = unwind_target(r, field->from / 4, relative(field), target);
        return R_X86_64_PC32;
    case FIELD_REPLACEMENT:
        *found = find_replacement(r, relative(field), target);
        return R_X86_64_PC32;
    case FIELD_HANDLER:
        *found = target_import(r, relative(field), 0, target);
        return *found ? R_X86_64_PC32 : R_X86_64_NONE;
    case FIELD_JUMP_KEY:
        *found = find_jump_key(r, field, target);
        return R_X86_64_PC64;
    case FIELD_CALL_KEY:
        *found = find_call_key(r, field, target);
        return R_X86_64_PC32;
    default:
        *found = target_find(r, relative(field), 0, TARGET_TABLE | TARGET_LABEL, target);
        return R_X86_64_PC32;
    }
}

static void relocate_field(struct restore *r, const struct field_place *field, uint8_t kind)
{
    struct target target;
    bool found = false;
    if (kind == FIELD_CRC) {
        relocate_crc(r, field);
        return;
    }
    if (kind != FIELD_ADDRESS && le32(field->bytes) == 0)
        return; /* nothing points to itself: padding */
    uint32_t type = find_field(r, field, kind, &found, &target);
    if (type == R_X86_64_NONE)
        return;
    if (found)
        relocate(r, field->index, field->to + field->offset, type, &target);
    else
        restore_failed(r, RULE_TABLE, field->address, "it points to nothing that is known");
}

/* ---- tables ---- */

static void clear_bug_flag(struct draft_section *section, unsigned entry)
{
    unsigned flags = entry == 8 ? 4 : entry - 2;
    for (uint64_t at = 0; at + entry <= section->size; at += entry) {
        if (section->data[at + flags] & BUGFLAG_DONE) {
            section->data[at + flags] &= (uint8_t)~BUGFLAG_DONE;
            section->restored_bytes++;
            section->restored_sites++;
        }
    }
}

/* .orc_unwind was sorted along with .orc_unwind_ip. */
static void reorder_orc(struct restore *r, const uint32_t *order, uint64_t count)
{
    uint32_t index;
    struct draft_section *orc = section_named(r, ".orc_unwind", &index);
    if (!orc || orc->size != count * ORC_ENTRY)
        return;
    uint8_t *copy = malloc(orc->size + 1);
    if (!copy) {
        r->out_of_memory = true;
        return;
    }
    memcpy(copy, orc->data, orc->size);
    for (uint64_t i = 0; i < count; i++)
        memcpy(orc->data + i * ORC_ENTRY, copy + (uint64_t)order[i] * ORC_ENTRY, ORC_ENTRY);
    free(copy);
    orc->data_from = LKMFS_FROM_INFERRED;
}

/* An unwind entry for nothing at the place of the next one is the end of what lies before it. */
static bool is_end_of_code(const struct restore *r, const struct table_shape *shape, size_t index, size_t count)
{
    return shape->fields[0].kind == FIELD_ORC && unwind_is_double(r, index, count);
}

/* Rank of code in the order in which objtool met it. */
static uint64_t rank_of_section(const struct restore *r, uint32_t index, uint64_t offset)
{
    if (r->objects && r->context->shapes.objtool_per_object)
        return objects_rank(r->objects, index, offset);
    if (is_same_part(r, index, offset, 0))
        return UINT64_C(2) * index + 1;
    return UINT64_C(2) * r->behind_cold;
}

/*
 * Rank of a static call: of what objtool ran on it lists the jumps, tail calls, before all calls (tools/objtool/check.c
 * add_jump_destinations(), add_call_destinations()).
 */
static uint64_t rank_of_call(const struct restore *r, const struct site_entry *entry, uint32_t index, uint64_t offset)
{
    uint64_t rank = rank_of_section(r, index, offset), calls = UINT64_C(1) << 32;
    uint64_t ret = static_call_is_jump(entry) ? 0 : calls;
    if (r->objects && r->context->shapes.objtool_per_object)
        return ret | (uint64_t)objects_end(r->objects, index, offset) << 33 | (rank & (calls - 1));
    return ret | rank;
}

/* By section, then offset, of what the first fields point to. */
static void place_by_section(struct restore *r, const struct table_shape *shape, const struct field_place *first,
                             unsigned entry, struct entry_place *places, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)i * entry;
        struct target target = {.section = DRAFT_NONE};
        struct field_place field = *first;
        bool found;
        field.from = field.to = at;
        field.bytes = field.entry = first->entry + at;
        field.address += at;
        find_field(r, &field, shape->fields[0].kind, &found, &target);
        places[i] = (struct entry_place){UINT64_MAX, found ? target.offset : i, i};
        if (found && shape->fields[1].kind == FIELD_CALL_KEY)
            places[i].group =
                rank_of_call(r, &(struct site_entry){field.address, field.entry}, target.section, target.offset);
        else if (found)
            places[i].group = rank_of_section(
                r, target.section, target.offset - (target.offset > 0 && is_end_of_code(r, shape, i, count)));
    }
}

/* In the order in which the compiler wrote the code. False when an entry points to nothing that is known. */
static bool place_by_emission(struct restore *r, const struct emission *emission, const struct table_shape *shape,
                              const struct field_place *first, unsigned entry, struct entry_place *places, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *bytes = first->entry + (uint64_t)i * entry;
        uint64_t address = shape->fields[0].kind == FIELD_ADDRESS
                               ? le64(bytes)
                               : first->address + (uint64_t)i * entry + (uint64_t)(int64_t)(int32_t)le32(bytes);
        struct target target;
        if (!target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, &target) || target.section == DRAFT_NONE)
            return false;
        places[i] = (struct entry_place){emission_rank(emission, target.section, target.offset), address, i};
    }
    return true;
}

/* Order on disk of the table `copy` as in memory, NULL if it is the same. */
static uint32_t *disk_order(struct restore *r, const struct emission *emission, const struct table_shape *shape,
                            uint32_t index, unsigned entry, const uint8_t *copy)
{
    struct draft_section *section = section_at(r, index);
    size_t count = section->size / entry;
    if (shape->order == ORDER_KEPT || count < 2)
        return NULL;
    struct entry_place *places = calloc(count, sizeof(*places));
    if (!places) {
        r->out_of_memory = true;
        return NULL;
    }
    struct field_place first = {section, index, 0, 0, 0, copy, section->address, copy};
    bool known = shape->order == ORDER_BY_PLACE;
    if (known)
        place_by_section(r, shape, &first, entry, places, count);
    else if (emission)
        known = place_by_emission(r, emission, shape, &first, entry, places, count);
    uint32_t *order = known ? order_entries(places, count) : NULL;
    free(places);
    return order;
}

static void restore_table(struct restore *r, const struct emission *emission, const struct table_shape *shape,
                          uint32_t index)
{
    struct draft_section *section = section_at(r, index);
    unsigned entry = entry_size(r, shape, section);
    section->entry = entry;
    uint8_t *copy = entry ? malloc(section->size + 16) : NULL;
    if (!copy) {
        r->out_of_memory |= entry > 0;
        return;
    }
    memcpy(copy, section->data, section->size);
    uint32_t *order = disk_order(r, emission, shape, index, entry, copy);
    uint64_t count = section->size / entry, rest = section->size % entry;
    for (uint64_t i = 0; i < count + (rest > 0); i++) {
        uint64_t from = (order && i < count ? order[i] : i) * entry;
        memcpy(section->data + i * entry, copy + from, i < count ? entry : rest);
        for (const struct table_field *field = shape->fields; field->kind != FIELD_NONE; field++) {
            struct field_place place = {section,
                                        index,
                                        from,
                                        i * entry,
                                        field->offset,
                                        copy + from + field->offset,
                                        section->address + from + field->offset,
                                        copy + from};
            unsigned size = field->kind == FIELD_ADDRESS || field->kind == FIELD_JUMP_KEY ? 8 : 4;
            if (from + field->offset + size <= section->size && field->offset + size <= entry && field->least <= entry)
                relocate_field(r, &place, field->kind);
        }
    }
    if (order)
        section->data_from = LKMFS_FROM_INFERRED;
    if (order && shape->fields[0].kind == FIELD_ORC)
        reorder_orc(r, order, count);
    if (strcmp(shape->name, "__bug_table") == 0)
        clear_bug_flag(section, entry);
    free(order);
    free(copy);
}

/* First the site tables are asked for the order of the others, as long as they are untouched. */
void restore_tables(struct restore *r)
{
    size_t likely = 0, pieces = r->objects ? objects_pieces(r->objects, &likely) : 0;
    if (likely > 0)
        draft_doubt(r->draft,
                    "tables that the loader sorted: place on disk likely, not proven, for %zu of %zu pieces of code",
                    likely, pieces);
    struct emission *emission = emission_new(r);
    r->behind_cold = order_behind_cold(r);
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        const struct table_shape *shape = section->data && section->address ? table_shape(section->name) : NULL;
        if (shape)
            restore_table(r, emission, shape, i);
    }
    emission_free(emission);
}
