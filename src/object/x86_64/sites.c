#include "object/x86_64/sites.h"

#include <string.h>

#include "base/cursor.h"

static const struct site_rule *const rules[] = {
    &ftrace_rule,     &return_rule, &retpoline_rule, &static_call_rule,
    &jump_label_rule, &endbr_rule,  &lock_rule,      &call_thunk_rule,
};

uint64_t entry_relative(const struct site_entry *entry, unsigned offset)
{
    return entry->address + offset + (uint64_t)(int64_t)(int32_t)le32(entry->bytes + offset);
}

uint64_t branch_target(const struct site *site, size_t length)
{
    return site->address + length + (uint64_t)(int64_t)(int32_t)le32(site->bytes + length - 4);
}

void site_write_branch(struct restore *r, const struct site *site, size_t skip, const uint8_t *opcode, size_t size,
                       const char *name)
{
    uint8_t bytes[8] = {0};
    memcpy(bytes, site->bytes, skip);
    memcpy(bytes + skip, opcode, size);
    if (skip + size + 4 > site->size)
        return;
    site_write(r, site, bytes, skip + size + 4);
    relocate_import(r, site->section, site->offset + skip + size, R_X86_64_PLT32, name, -4, LKMFS_FROM_RESTORED);
}

static bool in_freed_init(const struct restore *r, uint64_t address)
{
    for (size_t i = 0; i < r->init_count; i++)
        if (address >= r->init[i].start && address <= r->init[i].end)
            return true;
    return false;
}

static void apply(struct restore *r, const struct site_rule *rule)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, rule->table, &index);
    for (uint64_t offset = 0; table && offset + rule->entry <= table->size; offset += rule->entry) {
        struct site_entry entry = {table->address + offset, table->data + offset};
        uint64_t address = rule->absolute ? le64(entry.bytes) : entry_relative(&entry, 0);
        struct site site;
        if (site_at(r, address, &site))
            rule->undo(r, &site, &entry);
        else if (!in_freed_init(r, address))
            restore_failed(r, rule->rule, address, "the table names a place outside of the module's code");
    }
}

void restore_sites(struct restore *r)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        apply(r, rules[i]);
}
