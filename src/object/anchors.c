/*
 * anchors.c - which section a symbol's st_shndx means.
 *
 * The loader never touches st_shndx, so all survivors of one section share one original header index, and the lowest of
 * them lies in that section (SECTIONS.md section 2). The trap: the symbols of an empty section take the address of its
 * neighbour. The nm letter (b, d, r, t), which the kernel took from the section's flags, tells most of those apart.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/layout.h"

/* The surviving symbols of one original section. */
struct group {
    uint32_t shndx;
    uint32_t section; /* drafted section, DRAFT_NONE while unknown */
    uint64_t lowest, highest;
    size_t count, sized;
    char letter; /* of the symbols, if they agree; else 0 */
};

/* Sections in live regions, ascending by address. */
struct place {
    uint64_t address;
    uint32_t section;
    int region;
};

struct anchoring {
    struct layout *layout;
    uint32_t limit;       /* one more than the highest st_shndx of a section */
    struct group *groups; /* ascending by shndx */
    size_t group_count;
    struct place *places;
    size_t place_count;
    uint32_t *anchored; /* for each drafted section the group that is its own, DRAFT_NONE if none */
};

static char letter_class(char letter)
{
    /* Weak and absolute symbols have letters of their own (KERNEL.md A.7), which say nothing of the section. */
    return letter && strchr("tTdDbBrR", letter) ? (char)(letter | 0x20) : 0;
}

static bool has_section(const struct lkmfs_module_symbol *symbol)
{
    return symbol->shndx != SHN_UNDEF && symbol->shndx < SHN_LORESERVE;
}

static void add_to_group(struct group *group, const struct lkmfs_module_symbol *symbol)
{
    char letter = letter_class(symbol->letter);
    if (group->count++ == 0) {
        group->lowest = group->highest = symbol->value;
        group->letter = letter;
    }
    group->lowest = min_u64(group->lowest, symbol->value);
    group->highest = max_u64(group->highest, symbol->value);
    group->sized += symbol->size > 0;
    if (!group->letter)
        group->letter = letter;
}

/* Groups the symbols by st_shndx. */
static bool make_groups(struct anchoring *anchoring)
{
    const struct lkmfs_module *module = anchoring->layout->draft->module;
    for (size_t i = 1; i < module->symbol_count; i++) {
        if (has_section(&module->symbols[i]) && module->symbols[i].shndx >= anchoring->limit)
            anchoring->limit = module->symbols[i].shndx + 1u;
    }
    struct group *all = calloc(anchoring->limit + 1u, sizeof(*all));
    if (!all)
        return false;
    for (size_t i = 1; i < module->symbol_count; i++) {
        if (has_section(&module->symbols[i]))
            add_to_group(&all[module->symbols[i].shndx], &module->symbols[i]);
    }
    size_t count = 0;
    for (uint32_t i = 0; i < anchoring->limit; i++) {
        if (!all[i].count)
            continue;
        all[count] = all[i];
        all[count].shndx = i;
        all[count++].section = DRAFT_NONE;
    }
    anchoring->groups = all;
    anchoring->group_count = count;
    return true;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->section < y->section ? -1 : x->section > y->section;
}

static bool make_places(struct anchoring *anchoring)
{
    const struct draft *draft = anchoring->layout->draft;
    anchoring->places = calloc(draft->section_count + 1, sizeof(*anchoring->places));
    size_t anchored_size = (draft->section_count + 1) * sizeof(*anchoring->anchored);
    anchoring->anchored = malloc(anchored_size);
    if (!anchoring->places || !anchoring->anchored)
        return false;
    memset(anchoring->anchored, 0xff, anchored_size); /* DRAFT_NONE */
    for (uint32_t i = 0; i < draft->section_count; i++) {
        const struct draft_section *section = &draft->sections[i];
        if (section->region >= 0)
            anchoring->places[anchoring->place_count++] =
                (struct place){.address = section->address, .section = i, .region = section->region};
    }
    qsort(anchoring->places, anchoring->place_count, sizeof(*anchoring->places), compare_places);
    return true;
}

/* The last section at or below `address` in the region around it; ret->section is DRAFT_NONE if none. */
static struct place find_place(const struct anchoring *anchoring, uint64_t address, uint64_t *end)
{
    const struct lkmfs_module *module = anchoring->layout->draft->module;
    size_t low = 0, high = anchoring->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (anchoring->places[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    struct place place = {.section = DRAFT_NONE, .region = -1};
    if (low == 0)
        return place;
    const struct place *found = &anchoring->places[low - 1];
    const struct lkmfs_region *region = &module->regions[found->region];
    /* One past the end is a place too: symbols may mark the end of the last section. */
    if (address - region->address > region->size)
        return place;
    *end = region->address + region->size;
    if (low < anchoring->place_count && anchoring->places[low].region == found->region)
        *end = anchoring->places[low].address;
    return *found;
}

/* Could a section with these flags have given its symbols this letter (elf_type(), kernel/module/kallsyms.c)? */
static bool letter_fits(char letter, const struct draft_section *section)
{
    switch (letter) {
    case 't':
        return section->flags & SHF_EXECINSTR;
    case 'b':
        return section->type == SHT_NOBITS;
    case 'd':
        return section->type != SHT_NOBITS && section->flags & SHF_WRITE;
    case 'r':
        return !(section->flags & (SHF_WRITE | SHF_EXECINSTR));
    default:
        return true;
    }
}

static void anchor(struct anchoring *anchoring, size_t group, uint32_t section)
{
    anchoring->groups[group].section = section;
    anchoring->anchored[section] = (uint32_t)group;
}

static bool is_percpu(const struct lkmfs_module *module, const struct group *group)
{
    return module->percpu_size && group->lowest >= module->percpu &&
           group->highest - module->percpu <= module->percpu_size;
}

/* The standard section of the letter, when the kernel did not list it: it was empty. */
static uint32_t empty_section(const struct anchoring *anchoring, char letter)
{
    const char *name = letter == 'b' ? ".bss" : letter == 'd' ? ".data" : letter == 't' ? ".text" : "";
    uint32_t section = draft_find_section(anchoring->layout->draft, name);
    if (section == DRAFT_NONE || anchoring->layout->draft->sections[section].region >= 0 ||
        anchoring->anchored[section] != DRAFT_NONE)
        return DRAFT_NONE;
    return section;
}

/* Labels at one place, past a section's start: they may be those of an empty section that stood there. */
static bool may_be_empty(const struct anchoring *anchoring, const struct group *group)
{
    return !group->sized && group->lowest == group->highest && empty_section(anchoring, group->letter) != DRAFT_NONE;
}

/* Anchors the group when its symbols leave no doubt. */
static void anchor_proven(struct anchoring *anchoring, size_t index)
{
    const struct draft *draft = anchoring->layout->draft;
    struct group *group = &anchoring->groups[index];
    uint64_t end = 0;

    if (is_percpu(draft->module, group)) {
        uint32_t percpu = draft_find_section(draft, ".data..percpu");
        if (percpu != DRAFT_NONE && anchoring->anchored[percpu] == DRAFT_NONE)
            anchor(anchoring, index, percpu);
        return;
    }
    struct place place = find_place(anchoring, group->lowest, &end);
    if (place.section == DRAFT_NONE || group->highest > end)
        return;
    const struct draft_section *section = &draft->sections[place.section];
    bool inside = (group->sized && group->lowest < end) ||
                  (group->highest > place.address && !may_be_empty(anchoring, group)) ||
                  strncmp(section->name, "__k", 3) == 0;
    if (!inside || !letter_fits(group->letter, section))
        return;
    uint32_t other = anchoring->anchored[place.section];
    if (other != DRAFT_NONE && anchoring->groups[other].sized >= group->sized)
        return;
    if (other != DRAFT_NONE)
        anchoring->groups[other].section = DRAFT_NONE;
    anchor(anchoring, index, place.section);
}

/* Symbols without a size at the very start of a section: its own labels, or those of an empty section before it. */
static void anchor_doubtful(struct anchoring *anchoring, size_t index)
{
    struct draft *draft = anchoring->layout->draft;
    struct group *group = &anchoring->groups[index];
    uint64_t end = 0;

    if (group->section != DRAFT_NONE)
        return;
    uint32_t section = empty_section(anchoring, group->letter);
    if (section != DRAFT_NONE && group->lowest == group->highest && !group->sized) {
        draft->sections[section].address = group->lowest;
        anchor(anchoring, index, section);
        return;
    }
    struct place place = find_place(anchoring, group->lowest, &end);
    if (place.section == DRAFT_NONE || group->highest > end) {
        draft_doubt(draft, "the %zu symbols of original section %u lie in no section", group->count, group->shndx);
        return;
    }
    if (anchoring->anchored[place.section] == DRAFT_NONE && letter_fits(group->letter, &draft->sections[place.section]))
        anchor(anchoring, index, place.section);
    else
        group->section = place.section;
}

/* Header indexes must ascend as the list does; an anchor that breaks this is no anchor. */
static void note_indexes(struct anchoring *anchoring)
{
    struct draft *draft = anchoring->layout->draft;
    uint32_t last = 0;
    for (size_t i = 0; i < draft->section_count; i++) {
        uint32_t group = anchoring->anchored[i];
        if (group == DRAFT_NONE)
            continue;
        struct draft_section *section = &draft->sections[i];
        uint32_t shndx = anchoring->groups[group].shndx;
        bool listed = i < draft->module->section_count && section->region >= 0;
        if (listed && shndx <= last) {
            draft_doubt(draft, "section %s: its symbols give it index %u, after %u", section->name, shndx, last);
            continue;
        }
        last = listed ? shndx : last;
        section->original_index = shndx;
        section->index_from = LKMFS_FROM_MEMORY;
    }
}

/* Gives every symbol the section of its group. */
static bool spread(struct anchoring *anchoring)
{
    struct layout *layout = anchoring->layout;
    const struct lkmfs_module *module = layout->draft->module;
    uint32_t *section_of = malloc((anchoring->limit + 1u) * sizeof(*section_of));
    layout->symbol_sections = malloc((module->symbol_count + 1) * sizeof(*layout->symbol_sections));
    if (!section_of || !layout->symbol_sections) {
        free(section_of);
        return false;
    }
    for (uint32_t i = 0; i < anchoring->limit; i++)
        section_of[i] = DRAFT_NONE;
    for (size_t i = 0; i < anchoring->group_count; i++)
        section_of[anchoring->groups[i].shndx] = anchoring->groups[i].section;
    /* The null symbol, which made no group, is hostile like the others: its st_shndx may lie past all of theirs. */
    for (size_t i = 0; i < module->symbol_count; i++) {
        uint32_t shndx = has_section(&module->symbols[i]) ? module->symbols[i].shndx : 0;
        layout->symbol_sections[i] = shndx && shndx < anchoring->limit ? section_of[shndx] : DRAFT_NONE;
    }
    free(section_of);
    return true;
}

bool layout_anchor_symbols(struct layout *layout)
{
    struct anchoring anchoring = {.layout = layout};
    bool ok = make_groups(&anchoring) && make_places(&anchoring);
    for (size_t i = 0; ok && i < anchoring.group_count; i++)
        anchor_proven(&anchoring, i);
    for (size_t i = 0; ok && i < anchoring.group_count; i++)
        anchor_doubtful(&anchoring, i);
    if (ok) {
        note_indexes(&anchoring);
        ok = spread(&anchoring);
    }
    if (!ok)
        layout->draft->out_of_memory = true;
    free(anchoring.groups);
    free(anchoring.places);
    free(anchoring.anchored);
    return ok;
}
