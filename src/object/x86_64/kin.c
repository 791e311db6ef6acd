#include "object/x86_64/kin.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/tables.h"
#include "object/x86_64/taken.h"
#include "object/x86_64/units.h"

/* ---- tables ---- */

static bool field_target(struct restore *r, const struct draft_section *table, uint64_t at, uint8_t kind,
                         struct target *ret)
{
    uint64_t address;
    if (kind == FIELD_ADDRESS && at + 8 <= table->size)
        address = le64(table->data + at);
    else if (kind == FIELD_LABEL && at + 4 <= table->size)
        address = table->address + at + (uint64_t)(int64_t)(int32_t)le32(table->data + at);
    else
        return false;
    return address && target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, ret) && ret->section != DRAFT_NONE;
}

/* Entries of a table that the loader leaves alone come in the order of objects, and are of one with what they name. */
static bool tie_table(struct restore *r, const struct table_shape *shape, uint32_t index, struct ties *ties)
{
    const struct draft_section *table = section_at(r, index);
    unsigned entry = entry_size(r, shape, table);
    for (uint64_t at = 0; entry && at + entry <= table->size; at += entry)
        for (const struct table_field *field = shape->fields; field->kind != FIELD_NONE; field++) {
            struct target target;
            if (field->least > entry || !field_target(r, table, at + field->offset, field->kind, &target) ||
                !units_is_ordered(r->units, target.section))
                continue;
            if (!ties_add(ties, (struct tie_end){index, at}, units_end(r->units, target.section, target.offset)))
                return false;
        }
    return true;
}

/* Whether the entries of a table come in the order of objects. */
static bool is_by_object(const struct restore *r, const struct table_shape *shape)
{
    static const char *const objtools[] = {".return_sites", ".retpoline_sites", ".call_sites", ".cfi_sites",
                                           ".ibt_endbr_seal"};
    if (shape->order != ORDER_KEPT || has_prefix(shape->name, "__ksymtab") || has_prefix(shape->name, "__kcrctab"))
        return false;
    for (size_t i = 0; i < sizeof(objtools) / sizeof(*objtools); i++)
        if (strcmp(shape->name, objtools[i]) == 0)
            return r->context->shapes.objtool_per_object;
    return strcmp(shape->name, "__patchable_function_entries") != 0 ||
           !(r->context->shapes.text_merged || r->entries_by_section);
}

static bool tie_tables(struct restore *r, struct ties *ties)
{
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        const struct table_shape *shape = section->data && section->address ? table_shape(section->name) : NULL;
        if (shape && is_by_object(r, shape) && !tie_table(r, shape, i, ties))
            return false;
    }
    return true;
}

/*
 * objtool lists the returns of an object section by section, and nearly every object has some in .text, which comes
 * first: those of another section are of one object with the last one of .text before them.
 */
static bool tie_returns(struct restore *r, uint32_t text, struct ties *ties)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, ".return_sites", &index);
    struct tie_end last = {DRAFT_NONE, 0};
    for (uint64_t at = 0; table && at + 4 <= table->size; at += 4) {
        struct target target;
        if (!field_target(r, table, at, FIELD_LABEL, &target))
            continue;
        struct tie_end end = units_end(r->units, target.section, target.offset);
        if (target.section == text)
            last = end;
        else if (last.line != DRAFT_NONE && !ties_add(ties, last, end))
            return false;
    }
    return true;
}

bool kin_hook(struct restore *r, bool is_exit, struct target *ret)
{
    uint64_t address = is_exit ? r->draft->module->exit : r->draft->module->init;
    return address && target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, ret) && ret->section != DRAFT_NONE;
}

/* The functions that a module begins and ends with are of one object. */
static bool tie_hooks(struct restore *r, struct ties *ties)
{
    struct target init, exit;
    return !kin_hook(r, false, &init) || !kin_hook(r, true, &exit) ||
           ties_add(ties, units_end(r->units, init.section, init.offset),
                    units_end(r->units, exit.section, exit.offset));
}

/* ---- code ---- */

static bool is_strings(const struct draft_section *section)
{
    return has_prefix(section->name, ".rodata.str");
}

/*
 * What a relocation says to be of one object with its place: strings have no names and are not merged with those of
 * other objects; code of another section is named by its section only in its own object. Trampolines lie with the
 * function that they lead to at first.
 */
static bool own_target(const struct restore *r, uint32_t index, const struct draft_relocation *relocation,
                       struct tie_end *ret)
{
    struct draft_target target = relocation->target;
    int64_t bias = relocation->type == R_X86_64_PC32 ? 4 : 0;
    if (relocation->type != R_X86_64_PC32 && relocation->type != R_X86_64_32S)
        return false;
    if (target.kind == DRAFT_TARGET_SYMBOL && strcmp(section_at(r, index)->name, ".static_call.text") == 0) {
        const struct draft_symbol *symbol = &r->draft->symbols[target.index];
        target = (struct draft_target){DRAFT_TARGET_SECTION, symbol->section, (int64_t)symbol->value + target.addend};
    }
    if (target.kind != DRAFT_TARGET_SECTION || target.index >= r->draft->section_count || target.addend + bias < 0)
        return false;
    const struct draft_section *section = section_at(r, target.index);
    if (!is_strings(section) && !is_code(section))
        return false;
    if (target.index == index && is_same_part(r, index, relocation->offset, (uint64_t)(target.addend + bias)))
        return false;
    *ret = units_end(r->units, target.index, (uint64_t)(target.addend + bias));
    return true;
}

static bool tie_code(struct restore *r, struct ties *ties)
{
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        for (size_t k = 0; is_code(section) && k < section->relocation_count; k++) {
            struct tie_end end;
            if (own_target(r, i, &section->relocations[k], &end) &&
                !ties_add(ties, units_end(r->units, i, section->relocations[k].offset), end))
                return false;
        }
    }
    return true;
}

/* ---- data ---- */

/* Whether all that lies at `address` is one local function. */
static bool is_local_function(const struct restore *r, uint64_t address)
{
    size_t i = place_from(r->places, r->place_count, address);
    if (i >= r->place_count || r->places[i].address != address ||
        (i + 1 < r->place_count && r->places[i + 1].address == address))
        return false;
    unsigned char info = r->draft->symbols[r->places[i].symbol].info;
    return ELF64_ST_TYPE(info) == STT_FUNC && ELF64_ST_BIND(info) == STB_LOCAL;
}

/*
 * Whether a pointer in data names something of its own object: a local function or a string. Of writable data only a
 * function that no code takes the address of: what code of any object has stored there is no proof.
 */
static bool is_own_pointer(const struct restore *r, const struct taken *taken, bool is_writable, uint64_t address,
                           struct target *ret)
{
    uint32_t index = is_kernel_map(address) ? section_around(r, address) : DRAFT_NONE;
    if (index == DRAFT_NONE)
        return false;
    *ret = (struct target){.section = index, .offset = address - section_at(r, index)->address};
    if (!is_code(section_at(r, index)))
        return !is_writable && is_strings(section_at(r, index));
    return is_local_function(r, address) && !(is_writable && taken_at(taken, index, ret->offset));
}

static bool tie_pointers(struct restore *r, uint32_t index, const struct taken *taken, struct ties *ties)
{
    const struct draft_section *section = section_at(r, index);
    for (uint64_t at = 0; at + 8 <= section->size; at += 8) {
        struct target target;
        if (!is_own_pointer(r, taken, section->flags & SHF_WRITE, le64(section->data + at), &target))
            continue;
        if (!ties_add(ties, (struct tie_end){index, at}, units_end(r->units, target.section, target.offset)))
            return false;
    }
    return true;
}

static bool tie_data(struct restore *r, struct ties *ties)
{
    struct taken *taken = taken_new(r);
    bool ok = taken;
    for (uint32_t i = 0; ok && i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        bool is_data = section->data && section->address && section->flags & SHF_ALLOC &&
                       !(section->flags & SHF_EXECINSTR) && !r->is_table[i] && units_is_ordered(r->units, i);
        if (is_data && (!(section->flags & SHF_WRITE) || strcmp(section->name, ".data") == 0))
            ok = tie_pointers(r, i, taken, ties);
    }
    taken_free(taken);
    return ok;
}

/* ---- names ---- */

static const char event_prefix[] = "event_", iterator_prefix[] = "__traceiter_";

static int by_name(const void *a, const void *b)
{
    const struct draft_symbol *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_event(const void *iterator, const void *event)
{
    const struct draft_symbol *const *x = iterator, *const *y = event;
    return strcmp((*x)->name + sizeof(iterator_prefix) - 1, (*y)->name + sizeof(event_prefix) - 1);
}

/* Symbols with bytes in a section whose names start with `prefix`. The caller frees them. NULL without memory. */
static const struct draft_symbol **symbols_called(const struct restore *r, const char *prefix, size_t *count)
{
    const struct draft *draft = r->draft;
    const struct draft_symbol **list = calloc(draft->symbol_count + 1, sizeof(*list));
    *count = 0;
    for (size_t i = 0; list && i < draft->symbol_count; i++)
        if (draft->symbols[i].section < draft->section_count && has_prefix(draft->symbols[i].name, prefix))
            list[(*count)++] = &draft->symbols[i];
    return list;
}

/* The header of a tracepoint x makes the function __traceiter_x and the local event_x in one object. */
static bool tie_tracepoints(struct restore *r, struct ties *ties)
{
    size_t event_count, iterator_count;
    const struct draft_symbol **events = symbols_called(r, event_prefix, &event_count);
    const struct draft_symbol **iterators = symbols_called(r, iterator_prefix, &iterator_count);
    bool ok = events && iterators;
    if (ok && event_count > 0)
        qsort(events, event_count, sizeof(const struct draft_symbol *), by_name);
    for (size_t i = 0; ok && event_count > 0 && i < iterator_count; i++) {
        const struct draft_symbol *const *event =
            bsearch(&iterators[i], events, event_count, sizeof(const struct draft_symbol *), compare_event);
        ok = !event || ties_add(ties, units_end(r->units, iterators[i]->section, iterators[i]->value),
                                units_end(r->units, (*event)->section, (*event)->value));
    }
    free(events);
    free(iterators);
    return ok;
}

struct ties *kin_ties(struct restore *r, uint32_t text, uint32_t count)
{
    struct ties *ties = ties_new(text, count);
    if (ties && units_tell(r->units, ties) && tie_tables(r, ties) &&
        (!r->context->shapes.objtool_per_object || tie_returns(r, text, ties)) && tie_hooks(r, ties) &&
        tie_code(r, ties) && tie_data(r, ties) && tie_tracepoints(r, ties) && ties_settle(ties))
        return ties;
    ties_free(ties);
    return NULL;
}
