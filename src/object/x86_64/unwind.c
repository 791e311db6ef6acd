#include "object/x86_64/unwind.h"

#include <stdlib.h>

#include "base/cursor.h"

#define ORC_ENTRY 6

static bool is_nothing(const struct restore *r, size_t index)
{
    const struct draft_section *orc = r->orc_section == DRAFT_NONE ? NULL : section_at(r, r->orc_section);
    uint64_t at = (uint64_t)index * ORC_ENTRY;
    return orc && at + ORC_ENTRY <= orc->size && le32(orc->data + at) == 0;
}

/* An entry for nothing that lies where a code section ends belongs to that section, not to the next one. */
bool unwind_target(struct restore *r, size_t index, uint64_t address, struct target *ret)
{
    bool found = target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, ret);
    if (!is_nothing(r, index))
        return found;
    for (size_t i = r->span_count; i-- > 0;) {
        uint32_t section = r->spans[i].section;
        if (r->spans[i].end == address && is_code(section_at(r, section))) {
            uint64_t size = section_at(r, section)->size;
            *ret = (struct target){{DRAFT_TARGET_SECTION, section, (int64_t)size}, section, size, LKMFS_FROM_RESTORED};
            return true;
        }
    }
    return found;
}

bool unwind_read(struct restore *r, struct unwind *ret)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, ".orc_unwind_ip", &index);
    *ret = (struct unwind){.count = table ? table->size / 4 : 0};
    if (!table || ret->count == 0)
        return false;
    ret->entries = calloc(ret->count, sizeof(*ret->entries));
    if (!ret->entries) {
        r->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < ret->count; i++) {
        uint64_t field = (uint64_t)i * 4;
        uint64_t address = table->address + field + (uint64_t)(int64_t)(int32_t)le32(table->data + field);
        struct target target;
        bool found = unwind_target(r, i, address, &target);
        ret->entries[i] =
            (struct unwind_entry){found ? target.section : DRAFT_NONE, found ? target.offset : 0, is_nothing(r, i)};
    }
    return true;
}

bool unwind_is_end(const struct unwind *unwind, size_t index)
{
    const struct unwind_entry *entry = &unwind->entries[index];
    if (!entry->is_nothing)
        return false;
    bool is_same_section = index + 1 < unwind->count && entry[1].section == entry->section;
    if (!is_same_section)
        return true;
    return entry[1].offset == entry->offset ||
           (index > 0 && entry[-1].section == entry->section && entry[-1].is_nothing);
}

bool unwind_is_double(const struct restore *r, size_t index, size_t count)
{
    uint32_t section;
    const struct draft_section *table = section_named(r, ".orc_unwind_ip", &section);
    if (!table || index + 1 >= count || (index + 2) * 4 > table->size || !is_nothing(r, index))
        return false;
    return le32(table->data + index * 4) == le32(table->data + index * 4 + 4) + 4;
}
