/*
 * restore.c - the address map of one module, and the writes and doubts that all rules share.
 */
#include "object/x86_64/restore.h"

#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/x86_64/objects.h"
#include "object/x86_64/tables.h"
#include "object/x86_64/units.h"

#define DOUBTS_PER_RULE 4
#define SAME_MAX        1024      /* symbols at one address that are asked */
#define INIT_MAX        0x1000000 /* largest freed part that is believed */

static int by_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->section < y->section ? -1 : x->section > y->section;
}

static int by_address(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

static bool is_freed(const char *name)
{
    return has_prefix(name, ".init") || strcmp(name, ".symtab") == 0 || strcmp(name, ".strtab") == 0;
}

/*
 * Where a freed .init section ended at the latest: the next of the stale addresses of the freed part, and where its
 * sections lay apart from each other, the page of its last byte. No further: what lies there now is someone else's.
 */
static uint64_t init_end(const struct restore *r, const struct draft_section *section)
{
    uint64_t page = align_up(section->address + (section->size ? section->size : 1), 4096);
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < r->draft->module->section_count; i++) {
        const struct lkmfs_section_entry *entry = &r->draft->module->sections[i];
        if (is_freed(entry->name) && entry->address > section->address && entry->address < next)
            next = entry->address;
    }
    bool is_bound = r->context->shapes.init_together && next - section->address < INIT_MAX;
    return is_bound || next < page ? next : page;
}

static void map_section(struct restore *r, uint32_t index)
{
    const struct draft_section *section = section_at(r, index);
    uint64_t end;
    if (!section->address || !(section->flags & SHF_ALLOC) || !add_u64(section->address, section->size, &end))
        return;
    if (has_prefix(section->name, ".data..percpu"))
        r->percpu_section = index;
    else if (has_prefix(section->name, ".init"))
        r->init[r->init_count++] = (struct span){section->address, init_end(r, section), index};
    else if (section->size && (section->in_memory || section->type == SHT_NOBITS))
        r->spans[r->span_count++] = (struct span){section->address, end, index};
}

static void map_percpu(struct restore *r)
{
    const struct lkmfs_module *module = r->draft->module;
    if (r->percpu_section == DRAFT_NONE)
        r->percpu_section = draft_find_section(r->draft, ".data..percpu");
    if (r->percpu_section == DRAFT_NONE || !add_u64(module->percpu, module->percpu_size, &r->percpu_end)) {
        r->percpu_end = 0;
        return;
    }
    r->percpu = module->percpu;
}

/* Drops what would make looking at all symbols of one address slow; no real module has so many there. */
static size_t thin_out(struct restore *r, struct place *places, size_t count)
{
    size_t kept = 0, same = 0;
    for (size_t i = 0; i < count; i++) {
        same = i > 0 && places[i].address == places[i - 1].address ? same + 1 : 0;
        if (same == SAME_MAX)
            draft_doubt(r->draft, "more than %d symbols at 0x%llx: the others are not asked for relocations", SAME_MAX,
                        (unsigned long long)places[i].address);
        if (same < SAME_MAX)
            places[kept++] = places[i];
    }
    return kept;
}

static void map_symbols(struct restore *r)
{
    for (uint32_t i = 0; i < r->draft->symbol_count; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[i];
        if (symbol->section >= r->draft->section_count || symbol->section == r->percpu_section)
            continue;
        const struct draft_section *section = section_at(r, symbol->section);
        if (!section->address || !section->flags)
            continue;
        struct place place = {section->address + symbol->value, symbol->size, i};
        r->places[r->place_count++] = place;
        if (ELF64_ST_BIND(symbol->info) != STB_LOCAL)
            r->globals[r->global_count++] = place;
    }
    qsort(r->places, r->place_count, sizeof(*r->places), by_address);
    qsort(r->globals, r->global_count, sizeof(*r->globals), by_address);
    r->place_count = thin_out(r, r->places, r->place_count);
    r->global_count = thin_out(r, r->globals, r->global_count);
}

static uint32_t *import_cache(size_t count)
{
    uint32_t *cache = malloc((count + 1) * sizeof(*cache));
    if (cache)
        memset(cache, 0xff, (count + 1) * sizeof(*cache));
    return cache;
}

static bool allocate(struct restore *r)
{
    const struct draft *draft = r->draft;
    r->spans = calloc(draft->section_count + 1, sizeof(*r->spans));
    r->is_table = calloc(draft->section_count + 1, sizeof(*r->is_table));
    r->init = calloc(draft->section_count + 1, sizeof(*r->init));
    r->places = calloc(draft->symbol_count + 1, sizeof(*r->places));
    r->globals = calloc(draft->symbol_count + 1, sizeof(*r->globals));
    r->last_empty = calloc(draft->section_count + 1, sizeof(*r->last_empty));
    r->owned = calloc(draft->section_count + 1, sizeof(*r->owned));
    r->imports = import_cache(r->context->name_count);
    r->imports_direct = import_cache(r->context->name_count);
    if (!r->spans || !r->is_table || !r->init || !r->places || !r->globals || !r->last_empty || !r->owned ||
        !r->imports || !r->imports_direct)
        return false;
    for (uint32_t i = 0; i < draft->section_count; i++)
        if (is_code(section_at(r, i)) && !(r->owned[i] = calloc(section_at(r, i)->size + 1, 1)))
            return false;
    return true;
}

bool restore_init(struct restore *r, const struct machine_context *context, struct draft *draft)
{
    *r = (struct restore){.context = context, .draft = draft, .percpu_section = DRAFT_NONE, .cold_section = DRAFT_NONE};
    if (!allocate(r))
        return false;
    for (uint32_t i = 0; i < draft->section_count; i++) {
        r->is_table[i] = table_shape(section_at(r, i)->name) != NULL;
        map_section(r, i);
    }
    if (!section_named(r, ".orc_unwind", &r->orc_section))
        r->orc_section = DRAFT_NONE;
    map_percpu(r);
    qsort(r->spans, r->span_count, sizeof(*r->spans), by_start);
    qsort(r->init, r->init_count, sizeof(*r->init), by_start);
    map_symbols(r);
    restore_find_cold(r);
    return true;
}

void restore_free(struct restore *r)
{
    for (size_t i = 0; r->owned && i < r->draft->section_count; i++)
        free(r->owned[i]);
    free(r->owned);
    free(r->last_empty);
    free(r->spans);
    free(r->is_table);
    free(r->init);
    free(r->places);
    free(r->globals);
    free(r->imports);
    free(r->imports_direct);
    objects_free(r->objects);
    units_free(r->units);
}

struct draft_section *section_named(const struct restore *r, const char *name, uint32_t *index)
{
    *index = draft_find_section(r->draft, name);
    if (*index == DRAFT_NONE || !section_at(r, *index)->data || !section_at(r, *index)->address)
        return NULL;
    return section_at(r, *index);
}

uint32_t section_around(const struct restore *r, uint64_t address)
{
    size_t low = 0, high = r->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->spans[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address < r->spans[low - 1].end ? r->spans[low - 1].section : DRAFT_NONE;
}

const struct span *freed_around(const struct restore *r, uint64_t address)
{
    size_t low = 0, high = r->init_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->init[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address < r->init[low - 1].end ? &r->init[low - 1] : NULL;
}

size_t place_from(const struct place *places, size_t count, uint64_t address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct place *global_at(const struct restore *r, uint64_t address)
{
    size_t index = place_from(r->globals, r->global_count, address);
    return index < r->global_count && r->globals[index].address == address ? &r->globals[index] : NULL;
}

bool site_at(const struct restore *r, uint64_t address, struct site *ret)
{
    uint32_t index = section_around(r, address);
    if (index == DRAFT_NONE || !is_code(section_at(r, index)))
        return false;
    const struct draft_section *section = section_at(r, index);
    uint64_t offset = address - section->address;
    *ret = (struct site){index, offset, address, section->data + offset, section->size - offset};
    return true;
}

void site_own(struct restore *r, const struct site *site, size_t size)
{
    memset(r->owned[site->section] + site->offset, 1, min_u64(size, site->size));
}

void site_write(struct restore *r, const struct site *site, const uint8_t *bytes, size_t size)
{
    struct draft_section *section = section_at(r, site->section);
    if (size > site->size)
        return;
    size_t changed = 0;
    for (size_t i = 0; i < size; i++)
        changed += site->bytes[i] != bytes[i];
    memcpy(site->bytes, bytes, size);
    section->restored_bytes += changed;
    section->restored_sites += changed > 0;
    site_own(r, site, size);
}

static const char *const rule_names[RULE_COUNT] = {
    [RULE_FTRACE] = "ftrace site",      [RULE_RETURN] = "return site",    [RULE_RETPOLINE] = "retpoline site",
    [RULE_STATIC_CALL] = "static call", [RULE_JUMP_LABEL] = "jump label", [RULE_ENDBR] = "sealed endbr",
    [RULE_LOCK] = "lock prefix",        [RULE_CALL_THUNK] = "call thunk", [RULE_PARAVIRT] = "paravirt call",
    [RULE_ALTERNATIVE] = "alternative", [RULE_TABLE] = "table entry",     [RULE_CODE] = "code",
};

void restore_failed(struct restore *r, enum rule rule, uint64_t address, const char *why)
{
    if (r->failed[rule]++ < DOUBTS_PER_RULE)
        draft_doubt(r->draft, "%s at 0x%llx left as in memory: %s", rule_names[rule], (unsigned long long)address, why);
}

void restore_report(struct restore *r)
{
    for (int rule = 0; rule < RULE_COUNT; rule++)
        if (r->failed[rule] > DOUBTS_PER_RULE)
            draft_doubt(r->draft, "%s: %zu places in all left as in memory", rule_names[rule], r->failed[rule]);
}

void relocate_import(struct restore *r, uint32_t section, uint64_t offset, uint32_t type, const char *name,
                     int64_t addend, enum lkmfs_provenance from)
{
    uint32_t import = draft_import(r->draft, name);
    if (import == DRAFT_NONE) {
        r->out_of_memory = true;
        return;
    }
    struct draft_target target = {DRAFT_TARGET_IMPORT, import, addend};
    draft_add_relocation(r->draft, section, offset, type, target, from);
}

void restore_last_strings(struct restore *r)
{
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        struct draft_section *section = section_at(r, i);
        uint8_t *data = r->last_empty[i] ? realloc(section->data, section->size + 1) : NULL;
        if (data) {
            section->data = data;
            section->data[section->size++] = 0;
            section->size_rule = "an empty string that something points to";
        }
        r->out_of_memory |= r->last_empty[i] && !data;
    }
}
