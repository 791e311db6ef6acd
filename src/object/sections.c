#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cursor.h"
#include "object/layout.h"

struct view *layout_add_section(struct layout *layout, const char *name, enum lkmfs_region_kind region)
{
    if (!ARRAY_RESERVE(&layout->views, &layout->view_capacity, layout->view_count)) {
        layout->draft->out_of_memory = true;
        return NULL;
    }
    struct draft_section *section = draft_add_section(layout->draft, name);
    if (!section)
        return NULL;
    struct view *view = &layout->views[layout->view_count++];
    *view = (struct view){.convention = convention_for(layout->evidence, name, region), .next = DRAFT_NONE};
    section->type = view->convention.type;
    section->flags = view->convention.flags;
    section->align = view->convention.align ? view->convention.align : 1;
    section->entsize = view->convention.entsize;
    section->header_from = view->convention.known ? LKMFS_FROM_RESTORED : LKMFS_FROM_INFERRED;
    view->align_sure = view->convention.align != 0;
    return view;
}

/* The kernel added these two to the list itself; the file's own are made from the symbols. */
static bool is_symbol_table(const char *name)
{
    return strcmp(name, ".symtab") == 0 || strcmp(name, ".strtab") == 0;
}

/* Kind of the region that a freed init section was in. */
static enum lkmfs_region_kind init_region(const char *name)
{
    if (strcmp(name, ".init.text") == 0 || strstr(name, "text"))
        return LKMFS_REGION_INIT_TEXT;
    return strcmp(name, ".init.rodata") == 0 ? LKMFS_REGION_INIT_RODATA : LKMFS_REGION_INIT_DATA;
}

static bool draft_listed(struct layout *layout, const struct lkmfs_section_entry *entry)
{
    const struct lkmfs_module *module = layout->draft->module;
    bool live = entry->region >= 0 && (size_t)entry->region < module->region_count &&
                entry->address - module->regions[entry->region].address < module->regions[entry->region].size;
    enum lkmfs_region_kind kind = live ? module->regions[entry->region].kind : init_region(entry->name);

    if (!layout_add_section(layout, entry->name, kind))
        return false;
    struct draft_section *section = &layout->draft->sections[layout->draft->section_count - 1];
    section->address = entry->address;
    section->region = live ? entry->region : -1;
    section->in_memory = live;
    if (live)
        return true;
    section->type = SHT_NOBITS;
    /* Checkers (eu-elflint) refuse executable sections without bytes, rightly: there is nothing to run. */
    section->flags &= ~(uint64_t)SHF_EXECINSTR;
    section->data_from = section->size_from = LKMFS_FROM_MISSING;
    section->size_rule = "gone: its memory was freed after init";
    if (!convention_is_init(entry->name)) {
        section->size_rule = "gone: no live region holds its address";
        draft_doubt(layout->draft, "section %s at 0x%llx lies in no region of the module", entry->name,
                    (unsigned long long)entry->address);
    }
    return true;
}

/* The loader unlists .data..percpu, but struct module tells its address and size. */
static bool draft_percpu(struct layout *layout)
{
    const struct lkmfs_module *module = layout->draft->module;
    /* PERCPU_MODULE_RESERVE is 8 KiB, allocations beyond it are capped by the first chunk: 1 MiB is generous. */
    if (!module->percpu_size || draft_find_section(layout->draft, ".data..percpu") != DRAFT_NONE)
        return true;
    if (module->percpu_size > 1 << 20) {
        draft_doubt(layout->draft, "per-CPU area of %llu bytes is too large to be true: left out",
                    (unsigned long long)module->percpu_size);
        return true;
    }
    if (!layout_add_section(layout, ".data..percpu", LKMFS_REGION_DATA))
        return false;
    struct draft_section *section = &layout->draft->sections[layout->draft->section_count - 1];
    section->address = module->percpu;
    section->size = module->percpu_size;
    section->size_from = LKMFS_FROM_RESTORED;
    section->size_rule = "struct module's percpu_size";
    section->data_from = LKMFS_FROM_MISSING; /* the template is freed after it was copied for each CPU */
    return true;
}

/* Every assembler output has these three; the kernel does not list them when they are empty. */
static bool draft_standard(struct layout *layout)
{
    static const struct {
        const char *name;
        enum lkmfs_region_kind region;
    } standard[] = {{".text", LKMFS_REGION_TEXT}, {".data", LKMFS_REGION_DATA}, {".bss", LKMFS_REGION_DATA}};

    for (size_t i = 0; i < sizeof(standard) / sizeof(*standard); i++) {
        if (draft_find_section(layout->draft, standard[i].name) != DRAFT_NONE)
            continue;
        if (!layout_add_section(layout, standard[i].name, standard[i].region))
            return false;
        struct draft_section *section = &layout->draft->sections[layout->draft->section_count - 1];
        section->align = 1;
        section->size_from = LKMFS_FROM_INFERRED;
        section->size_rule = "empty: the kernel lists no such section";
    }
    return true;
}

bool layout_draft_sections(struct layout *layout)
{
    const struct lkmfs_module *module = layout->draft->module;
    if (!module->section_count && !layout_recover_sections(layout))
        return false;
    for (size_t i = 0; i < module->section_count; i++) {
        if (!is_symbol_table(module->sections[i].name) && !draft_listed(layout, &module->sections[i]))
            return false;
    }
    return draft_percpu(layout) && draft_standard(layout);
}

/*
 * sh_link of a SHF_LINK_ORDER section is the section that the first input section spoke of, and the table's first entry
 * still points there: tables like this are not sorted at load.
 */
static uint32_t linked_section(const struct layout *layout, uint32_t index)
{
    const struct draft *draft = layout->draft;
    const struct view *view = &layout->views[index];
    uint32_t text = draft_find_section(draft, ".text"), init = draft_find_section(draft, ".init.text");
    unsigned word = draft->word ? draft->word : 8;
    if (!view->bytes || view->upper < word)
        return text;
    uint64_t target = word == 8 ? le64(view->bytes) : le32(view->bytes);
    for (uint32_t i = 0; i < layout->view_count; i++) {
        const struct draft_section *section = &draft->sections[i];
        if (section->in_memory && section->flags & SHF_EXECINSTR && target - section->address < layout->views[i].upper)
            return i;
    }
    return target && init != DRAFT_NONE ? init : text;
}

static void link_ordered_sections(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        struct draft_section *section = &layout->draft->sections[i];
        if (section->flags & SHF_LINK_ORDER)
            section->link = linked_section(layout, i);
    }
}

bool layout_sections(struct layout *layout, struct draft *draft, const struct evidence *evidence)
{
    *layout = (struct layout){.draft = draft, .evidence = evidence};
    if (!layout_draft_sections(layout) || !layout_anchor_symbols(layout) || !layout_measure(layout))
        return false;
    link_ordered_sections(layout);
    layout_guess_alignments(layout);
    layout_find_sizes(layout);
    layout_find_init_sizes(layout);
    layout_correct_alignments(layout);
    layout_find_relas(layout);
    return layout_fill_sections(layout) && !draft->out_of_memory;
}

void layout_clear(struct layout *layout)
{
    free(layout->views);
    free(layout->symbol_sections);
    free(layout->by_address);
    *layout = (struct layout){0};
}
