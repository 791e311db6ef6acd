#include "object/draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* More sections than an ELF file can number without extensions (SHN_LORESERVE) can't have been loaded. */
#define SECTIONS_LIMIT 0xff00
/* The modules of distributions have some fifty at most. */
#define READINGS_MAX 4096

static void clear_section(struct draft_section *section)
{
    free(section->data);
    free(section->relocations);
    free(section->missing);
}

void draft_clear(struct draft *draft)
{
    for (size_t i = 0; i < draft->section_count; i++)
        clear_section(&draft->sections[i]);
    for (size_t i = 0; draft->regions && i < draft->module->region_count; i++) {
        free(draft->regions[i].bytes);
        free(draft->regions[i].missing);
    }
    for (size_t i = 0; i < draft->doubt_count; i++)
        free((void *)(uintptr_t)draft->doubts[i]);
    for (size_t i = 0; i < draft->pool_count; i++)
        free(draft->pool[i]);
    free(draft->regions);
    free(draft->sections);
    free(draft->symbols);
    free(draft->imports);
    free(draft->import_slots);
    free((void *)draft->doubts);
    free(draft->readings);
    free(draft->pool);
    *draft = (struct draft){.module = draft->module};
}

void draft_drop_regions(struct draft *draft)
{
    for (size_t i = 0; draft->regions && i < draft->module->region_count; i++) {
        free(draft->regions[i].bytes);
        draft->regions[i].bytes = NULL;
    }
}

uint32_t draft_find_section(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        if (strcmp(draft->sections[i].name, name) == 0)
            return (uint32_t)i;
    }
    return DRAFT_NONE;
}

struct draft_section *draft_add_section(struct draft *draft, const char *name)
{
    if (draft->section_count >= SECTIONS_LIMIT ||
        !ARRAY_RESERVE(&draft->sections, &draft->section_capacity, draft->section_count)) {
        draft->out_of_memory = true;
        return NULL;
    }
    struct draft_section *section = &draft->sections[draft->section_count++];
    *section = (struct draft_section){
        .name = name, .link = DRAFT_NONE, .original_index = DRAFT_NONE, .region = -1, .size_rule = ""};
    return section;
}

void draft_add_relocation(struct draft *draft, uint32_t index, uint64_t offset, uint32_t type,
                          struct draft_target target, enum lkmfs_provenance from)
{
    if (index >= draft->section_count)
        return;
    struct draft_section *section = &draft->sections[index];
    if (!ARRAY_RESERVE(&section->relocations, &section->relocation_capacity, section->relocation_count)) {
        draft->out_of_memory = true;
        return;
    }
    section->relocations[section->relocation_count++] =
        (struct draft_relocation){.offset = offset, .type = type, .target = target, .from = from};
}

void draft_add_symbol(struct draft *draft, const struct draft_symbol *symbol)
{
    if (!ARRAY_RESERVE(&draft->symbols, &draft->symbol_capacity, draft->symbol_count)) {
        draft->out_of_memory = true;
        return;
    }
    draft->symbols[draft->symbol_count++] = *symbol;
}

/* FNV-1a, 32 bits: short names, no adversary worth a keyed hash (a flood costs one module's build, bounded). */
static uint32_t hash_name(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619u;
    return hash;
}

/* The slot that holds `name`, or the free one where it belongs. */
static size_t find_slot(const struct draft *draft, const char *name)
{
    size_t mask = draft->import_slot_count - 1, slot = hash_name(name) & mask;
    while (draft->import_slots[slot] && strcmp(draft->imports[draft->import_slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

/* Keeps at least half of the slots free. */
static bool grow_slots(struct draft *draft)
{
    if (draft->import_slot_count / 2 > draft->import_count)
        return true;
    size_t count = draft->import_slot_count ? draft->import_slot_count * 2 : 256;
    uint32_t *slots = calloc(count, sizeof(*slots));
    if (!slots)
        return false;
    free(draft->import_slots);
    draft->import_slots = slots;
    draft->import_slot_count = count;
    for (size_t i = 0; i < draft->import_count; i++)
        slots[find_slot(draft, draft->imports[i].name)] = (uint32_t)i + 1;
    return true;
}

uint32_t draft_import(struct draft *draft, const char *name)
{
    if (!grow_slots(draft)) {
        draft->out_of_memory = true;
        return DRAFT_NONE;
    }
    size_t slot = find_slot(draft, name);
    if (draft->import_slots[slot])
        return draft->import_slots[slot] - 1;
    if (!ARRAY_RESERVE(&draft->imports, &draft->import_capacity, draft->import_count)) {
        draft->out_of_memory = true;
        return DRAFT_NONE;
    }
    draft->imports[draft->import_count++] = (struct draft_import){.name = name};
    draft->import_slots[slot] = (uint32_t)draft->import_count;
    return (uint32_t)draft->import_count - 1;
}

/* Numbers the kept ones of `count` things: numbers[i] is the new index, DRAFT_NONE for what goes. */
static uint32_t *renumber(const bool *kept, size_t count)
{
    uint32_t *numbers = malloc((count + 1) * sizeof(*numbers));
    uint32_t next = 0;
    for (size_t i = 0; numbers && i < count; i++)
        numbers[i] = kept[i] ? next++ : DRAFT_NONE;
    return numbers;
}

static uint32_t new_index(const struct draft *draft, const struct draft_target *target, const uint32_t *symbols,
                          const uint32_t *imports)
{
    switch (target->kind) {
    case DRAFT_TARGET_SECTION:
        return draft->sections[target->index].left_out ? DRAFT_NONE : target->index;
    case DRAFT_TARGET_SYMBOL:
        return symbols[target->index];
    case DRAFT_TARGET_IMPORT:
        break;
    }
    return imports[target->index];
}

static void renumber_relocations(struct draft *draft, struct draft_section *section, const uint32_t *symbols,
                                 const uint32_t *imports)
{
    size_t kept = 0;
    for (size_t i = 0; i < section->relocation_count; i++) {
        struct draft_relocation relocation = section->relocations[i];
        relocation.target.index = new_index(draft, &relocation.target, symbols, imports);
        if (relocation.target.index != DRAFT_NONE)
            section->relocations[kept++] = relocation;
    }
    section->relocation_count = kept;
}

static void keep_imports(struct draft *draft, const uint32_t *numbers)
{
    size_t kept = 0;
    for (size_t i = 0; i < draft->import_count; i++) {
        if (numbers[i] != DRAFT_NONE)
            draft->imports[kept++] = draft->imports[i];
    }
    draft->import_count = kept;
    for (size_t i = 0; i < draft->import_slot_count; i++)
        draft->import_slots[i] = 0;
    for (size_t i = 0; i < kept; i++)
        draft->import_slots[find_slot(draft, draft->imports[i].name)] = (uint32_t)i + 1;
}

void draft_keep(struct draft *draft, const bool *symbols, const bool *imports)
{
    uint32_t *symbol_numbers = renumber(symbols, draft->symbol_count);
    uint32_t *import_numbers = renumber(imports, draft->import_count);
    size_t kept = 0;
    if (!symbol_numbers || !import_numbers) {
        draft->out_of_memory = true;
    } else {
        for (size_t i = 0; i < draft->section_count; i++)
            renumber_relocations(draft, &draft->sections[i], symbol_numbers, import_numbers);
        for (size_t i = 0; i < draft->symbol_count; i++) {
            if (symbols[i])
                draft->symbols[kept++] = draft->symbols[i];
        }
        draft->symbol_count = kept;
        keep_imports(draft, import_numbers);
    }
    free(symbol_numbers);
    free(import_numbers);
}

void draft_add_reading(struct draft *draft, const struct lkmfs_reading *reading)
{
    if (draft->reading_count == READINGS_MAX)
        return;
    if (ARRAY_RESERVE(&draft->readings, &draft->reading_capacity, draft->reading_count))
        draft->readings[draft->reading_count++] = *reading;
    else
        draft->out_of_memory = true;
}

/* vasprintf() that returns NULL without memory. */
static char *format_string(const char *format, va_list args)
{
    char *text;
    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

void draft_doubt(struct draft *draft, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_string(format, args);
    va_end(args);
    if (!text || !ARRAY_RESERVE(&draft->doubts, &draft->doubt_capacity, draft->doubt_count)) {
        free(text);
        draft->out_of_memory = true;
        return;
    }
    draft->doubts[draft->doubt_count++] = text;
}

const char *draft_string(struct draft *draft, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_string(format, args);
    va_end(args);
    if (!text || !ARRAY_RESERVE(&draft->pool, &draft->pool_capacity, draft->pool_count)) {
        free(text);
        draft->out_of_memory = true;
        return "";
    }
    return draft->pool[draft->pool_count++] = text;
}
