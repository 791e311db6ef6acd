/*
 * sizes.c - the size of every section that is in memory: SECTIONS.md section 3, rules in order of trust.
 *
 * The kernel keeps no sizes. What it keeps are counts of tables, sizes of notes and of symbols; the rest follows from
 * where the next section begins and where the zeros before it do.
 */
#include "base/overflow.h"
#include "object/size_rules.h"

struct rule {
    size_rule *find;
    const char *name;
    enum lkmfs_provenance from;
};

/* The last one applies to every section. */
static const struct rule rules[] = {
    {size_by_count, "struct module's pointer and count", LKMFS_FROM_RESTORED},
    {size_by_note, "notes_attrs", LKMFS_FROM_RESTORED},
    {size_by_struct, "sizeof(struct module)", LKMFS_FROM_RESTORED},
    {size_by_neighbour, "the next section begins where it ends", LKMFS_FROM_RESTORED},
    {size_by_exports, "end of the last string that an export names", LKMFS_FROM_RESTORED},
    {size_by_replacements, "end of the last replacement in .altinstructions", LKMFS_FROM_INFERRED},
    {size_by_entries, "last entry that is not zero", LKMFS_FROM_INFERRED},
    {size_by_functions, "end of the last function", LKMFS_FROM_INFERRED},
    {size_by_snippets, "end of the last static_cpu_has() snippet", LKMFS_FROM_INFERRED},
    {size_by_code_bytes, "last byte that is no padding", LKMFS_FROM_INFERRED},
    {size_by_zeroed_symbols, "end of the last object", LKMFS_FROM_INFERRED},
    {size_by_last_string, "end of the last string", LKMFS_FROM_INFERRED},
    {size_by_constants, "last constant", LKMFS_FROM_INFERRED},
    {size_by_objects, "end of the last object or last byte that is not zero", LKMFS_FROM_INFERRED},
};

/* The size can't be smaller than what the next section's alignment lets it be. */
static uint64_t lower_bound(const struct layout *layout, const struct view *view, bool *sure)
{
    uint64_t align = view->next_align;
    *sure = true;
    if (view->next != DRAFT_NONE) {
        align = layout->draft->sections[view->next].align;
        *sure = layout->views[view->next].align_sure;
    }
    align = max_u64(align, 1);
    return view->upper >= align ? view->upper - align + 1 : 0;
}

/* No label lies past the end of its section, however zero the bytes before it are. */
static void cover_labels(struct draft_section *section, const struct view *view)
{
    if (section->size_from == LKMFS_FROM_INFERRED && view->last_symbol <= view->upper)
        section->size = max_u64(section->size, view->last_symbol);
}

void layout_find_sizes(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        struct draft_section *section = &layout->draft->sections[i];
        const struct view *view = &layout->views[i];
        if (section->region < 0)
            continue;
        struct sizing sizing = {.layout = layout, .section = section, .view = view, .upper = view->upper};
        sizing.lower = lower_bound(layout, view, &sizing.lower_sure);
        for (size_t j = 0; j < sizeof(rules) / sizeof(*rules); j++) {
            if (!rules[j].find(&sizing, &section->size))
                continue;
            section->size_from = rules[j].from;
            section->size_rule = rules[j].name;
            break;
        }
        cover_labels(section, view);
    }
}
