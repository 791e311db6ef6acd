/*
 * size_facts.c - sizes out of counts and pointers that the kernel kept, and of what follows from them without a doubt.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/size_rules.h"

/*
 * A table that struct module points to and counts. Not for an __ex_table whose init entries were cut off at its start:
 * its pointer has moved (trim_init_extable()).
 */
bool size_by_count(const struct sizing *sizing, uint64_t *ret)
{
    const struct lkmfs_module *module = sizing->layout->draft->module;
    for (size_t i = 0; i < module->table_count; i++) {
        const struct lkmfs_table_entry *table = &module->tables[i];
        if (table->address == sizing->section->address && table->count && table->entry &&
            strcmp(table->section, sizing->section->name) == 0 && mul_u64(table->count, table->entry, ret) &&
            *ret <= sizing->upper)
            return true;
    }
    return false;
}

bool size_by_note(const struct sizing *sizing, uint64_t *ret)
{
    const struct lkmfs_module *module = sizing->layout->draft->module;
    for (size_t i = 0; i < module->note_count; i++) {
        if (module->notes[i].address == sizing->section->address && module->notes[i].size <= sizing->upper) {
            *ret = module->notes[i].size;
            return true;
        }
    }
    return false;
}

bool size_by_struct(const struct sizing *sizing, uint64_t *ret)
{
    const struct lkmfs_module *module = sizing->layout->draft->module;
    *ret = module->bytes_size;
    return strcmp(sizing->section->name, ".gnu.linkonce.this_module") == 0 && module->bytes_size <= sizing->upper;
}

bool size_by_neighbour(const struct sizing *sizing, uint64_t *ret)
{
    *ret = sizing->upper;
    return sizing->view->next != DRAFT_NONE && sizing->lower_sure && sizing->lower == sizing->upper;
}

/* ---- strings ---- */

/* End of the string that a self-relative field at `field` of the table's bytes points to, 0 if it lies elsewhere. */
static uint64_t string_end(const struct sizing *sizing, const uint8_t *field, uint64_t field_address)
{
    uint64_t target = field_address + (uint64_t)(int64_t)(int32_t)le32(field);
    uint64_t offset = target - sizing->section->address;
    if (offset >= sizing->upper)
        return 0;
    const uint8_t *end = memchr(sizing->view->bytes + offset, 0, sizing->upper - offset);
    return end ? (uint64_t)(end - sizing->view->bytes) + 1 : 0;
}

/*
 * __ksymtab_strings ends with the last string that an export's name or name space points to: zeros at its end are
 * empty name spaces and can't be trimmed. Entries are {value, name[, name space]}, 32-bit self-relative [4.19+].
 */
bool size_by_exports(const struct sizing *sizing, uint64_t *ret)
{
    const struct draft *draft = sizing->layout->draft;
    *ret = 0;
    if (sizing->view->convention.kind != SECTION_EXPORT_STRINGS || !sizing->view->bytes)
        return false;
    for (uint32_t i = 0; i < sizing->layout->view_count; i++) {
        const struct view *view = &sizing->layout->views[i];
        uint64_t size, entry = 12;
        if (strcmp(draft->sections[i].name, "__ksymtab") != 0 && strcmp(draft->sections[i].name, "__ksymtab_gpl") != 0)
            continue;
        struct sizing table = {sizing->layout, &draft->sections[i], view, 0, view->upper, true};
        if (!view->bytes || !size_by_count(&table, &size))
            continue;
        for (size_t j = 0; j < draft->module->table_count; j++) {
            if (draft->module->tables[j].address == draft->sections[i].address)
                entry = draft->module->tables[j].entry;
        }
        if (entry != 8 && entry != 12)
            continue;
        for (uint64_t at = 0; at < size; at += 4) {
            if (at % entry)
                *ret = max_u64(*ret, string_end(sizing, view->bytes + at, draft->sections[i].address + at));
        }
    }
    return *ret != 0;
}
