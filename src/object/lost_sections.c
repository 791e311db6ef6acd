/*
 * lost_sections.c - the sections of a module whose sect_attrs is gone: kernels without CONFIG_KALLSYMS or CONFIG_SYSFS
 * never had it, rootkits free it to be overlooked.
 *
 * What still speaks of sections: the tables that struct module points to, the notes, struct module itself, and the
 * symbols, grouped by st_shndx. Names that nothing tells are made of the region's and the number; each region's start
 * belongs to its usual first section.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "object/layout.h"

struct found {
    const char *name;
    uint64_t address;
    int region;
    unsigned trust; /* of two at one address the more trusted names it */
};

struct search {
    struct layout *layout;
    struct found *items;
    size_t count, capacity;
};

static int region_of(const struct lkmfs_module *module, uint64_t address)
{
    for (size_t i = 0; i < module->region_count; i++) {
        if (address - module->regions[i].address < module->regions[i].size)
            return (int)i;
    }
    return -1;
}

static void add(struct search *search, const char *name, uint64_t address, unsigned trust)
{
    int region = region_of(search->layout->draft->module, address);
    if (region < 0)
        return;
    if (!ARRAY_RESERVE(&search->items, &search->capacity, search->count)) {
        search->layout->draft->out_of_memory = true;
        return;
    }
    search->items[search->count++] = (struct found){name, address, region, trust};
}

static const char *usual_name(enum lkmfs_region_kind kind)
{
    switch (kind) {
    case LKMFS_REGION_TEXT:
        return ".text";
    case LKMFS_REGION_RODATA:
        return ".rodata";
    case LKMFS_REGION_RO_AFTER_INIT:
        return ".data..ro_after_init";
    case LKMFS_REGION_DATA:
        return ".data";
    case LKMFS_REGION_INIT_TEXT:
        return ".init.text";
    case LKMFS_REGION_INIT_DATA:
        return ".init.data";
    case LKMFS_REGION_INIT_RODATA:
        break;
    }
    return ".init.rodata";
}

static void add_known(struct search *search)
{
    const struct lkmfs_module *module = search->layout->draft->module;
    for (size_t i = 0; i < module->region_count; i++)
        add(search, usual_name(module->regions[i].kind), module->regions[i].address, 0);
    for (size_t i = 0; i < module->table_count; i++) {
        if (module->tables[i].count)
            add(search, module->tables[i].section, module->tables[i].address, 3);
    }
    for (size_t i = 0; i < module->note_count; i++)
        add(search, module->notes[i].name, module->notes[i].address, 3);
    add(search, ".gnu.linkonce.this_module", module->address, 3);
}

/* Lowest symbol of an original section, and whether the exit function is one of its symbols. */
struct lowest {
    uint64_t address;
    bool used, sized, has_exit, has_exports;
    char letter;
};

static const char *group_name(struct search *search, const struct lowest *group, uint32_t shndx)
{
    struct draft *draft = search->layout->draft;
    int region = region_of(draft->module, group->address);
    if (group->has_exit)
        return ".exit.text";
    if (group->has_exports)
        return "__ksymtab_strings";
    if (group->letter == 'b')
        return ".bss";
    return draft_string(draft, "%s.%u", usual_name(draft->module->regions[region].kind), shndx);
}

static void add_groups(struct search *search)
{
    const struct lkmfs_module *module = search->layout->draft->module;
    struct lowest *groups = calloc(SHN_LORESERVE, sizeof(*groups));
    if (!groups) {
        search->layout->draft->out_of_memory = true;
        return;
    }
    for (size_t i = 1; i < module->symbol_count; i++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[i];
        if (symbol->shndx == SHN_UNDEF || symbol->shndx >= SHN_LORESERVE)
            continue;
        struct lowest *group = &groups[symbol->shndx];
        if (!group->used || symbol->value < group->address)
            group->address = symbol->value;
        group->used = true;
        group->sized |= symbol->size > 0;
        group->has_exit |= module->exit && symbol->value == module->exit;
        group->has_exports |= symbol->name && strncmp(symbol->name, "__kstrtab", 9) == 0;
        group->letter = symbol->letter;
    }
    for (uint32_t i = 0; i < SHN_LORESERVE; i++) {
        /* Labels without a size may be those of an empty section. */
        if (groups[i].used && (groups[i].sized || groups[i].has_exports) && region_of(module, groups[i].address) >= 0)
            add(search, group_name(search, &groups[i], i), groups[i].address, groups[i].has_exit ? 2 : 1);
    }
    free(groups);
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->trust > y->trust ? -1 : x->trust < y->trust;
}

/* A generic name at a region's start is the better one of two guesses; exit code is no .text. */
static bool is_better_guess(const struct found *guess, const struct found *start)
{
    return start->trust == 0 && guess->trust == 1 && strcmp(guess->name, ".bss") != 0 &&
           strcmp(guess->name, "__ksymtab_strings") != 0;
}

static bool draft_found(struct search *search)
{
    struct layout *layout = search->layout;
    for (size_t i = 0; i < search->count; i++) {
        const struct found *found = &search->items[i];
        if (i && found->address == found[-1].address)
            continue;
        if (i + 1 < search->count && found[1].address == found->address && is_better_guess(found, &found[1]))
            found++;
        if (!layout_add_section(layout, found->name, layout->draft->module->regions[found->region].kind))
            return false;
        struct draft_section *section = &layout->draft->sections[layout->draft->section_count - 1];
        section->address = found->address;
        section->region = found->region;
        section->in_memory = true;
        section->header_from = LKMFS_FROM_INFERRED;
    }
    return true;
}

bool layout_recover_sections(struct layout *layout)
{
    struct search search = {.layout = layout};
    draft_doubt(layout->draft, "sect_attrs is gone: sections are told by tables, notes and symbols");
    add_known(&search);
    add_groups(&search);
    if (search.count)
        qsort(search.items, search.count, sizeof(*search.items), compare_found);
    bool ok = !layout->draft->out_of_memory && draft_found(&search);
    free(search.items);
    return ok;
}
