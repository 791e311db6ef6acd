#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/overflow.h"
#include "object/layout.h"

/* Copies the runs of `region` that were not readable and lie in the section. */
static bool copy_missing(const struct draft_region *region, uint64_t start, struct draft_section *section)
{
    size_t capacity = 0;
    for (size_t i = 0; i < region->missing_count; i++) {
        uint64_t from = max_u64(region->missing[i].offset, start);
        uint64_t to = min_u64(region->missing[i].offset + region->missing[i].size, start + section->size);
        if (from >= to)
            continue;
        if (!ARRAY_RESERVE(&section->missing, &capacity, section->missing_count))
            return false;
        section->missing[section->missing_count++] =
            (struct lkmfs_byte_range){.offset = from - start, .size = to - from};
    }
    return true;
}

static bool fill(struct draft *draft, struct draft_section *section)
{
    section->data = calloc(1, section->size ? section->size : 1);
    if (!section->data)
        return false;
    if (section->region < 0)
        return true;
    const struct draft_region *region = &draft->regions[section->region];
    uint64_t start = section->address - draft->module->regions[section->region].address;
    if (!region->bytes || !range_fits(start, section->size, region->size)) {
        section->data_from = LKMFS_FROM_MISSING;
        return true;
    }
    memcpy(section->data, region->bytes + start, section->size);
    if (!copy_missing(region, start, section))
        return false;
    uint64_t missing = 0;
    for (size_t i = 0; i < section->missing_count; i++)
        missing += section->missing[i].size;
    section->data_from = section->size && missing == section->size ? LKMFS_FROM_MISSING : LKMFS_FROM_MEMORY;
    return true;
}

/* On disk struct module is zero but for its name and two relocated pointers, which the machine's step adds. */
static void rebuild_struct_module(struct draft *draft, struct draft_section *section)
{
    size_t name_at = 8 + 2 * (size_t)draft->word - (draft->word == 4 ? 4 : 0);
    size_t length = strlen(draft->module->name);
    memset(section->data, 0, section->size);
    if (range_fits(name_at, length + 1, section->size))
        memcpy(section->data + name_at, draft->module->name, length);
    section->data_from = LKMFS_FROM_RESTORED;
    section->restored_bytes = section->size;
    section->restored_sites = 1;
}

bool layout_fill_sections(struct layout *layout)
{
    struct draft *draft = layout->draft;
    bool as_loaded = draft->kind == LKMFS_OBJECT_LOADED;
    for (size_t i = 0; i < layout->view_count; i++) {
        struct draft_section *section = &draft->sections[i];
        /* In the loaded view .bss has bytes as well. */
        if (section->type == SHT_NOBITS && as_loaded && section->in_memory)
            section->type = SHT_PROGBITS;
        if (section->type == SHT_NOBITS)
            continue;
        if (!fill(draft, section)) {
            draft->out_of_memory = true;
            return false;
        }
        if (!as_loaded && section->in_memory && strcmp(section->name, ".gnu.linkonce.this_module") == 0)
            rebuild_struct_module(draft, section);
    }
    return true;
}
