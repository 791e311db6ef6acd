/*
 * init_sizes.c - sizes of init sections whose memory was freed: their addresses in sect_attrs are stale but true, and
 * tables that are still there speak of them (SECTIONS.md section 3, "init part").
 */
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/layout.h"

/* No init section is larger; a bound for what a damaged table may claim. */
#define INIT_LIMIT (UINT64_C(16) << 20)
#define PAGE       4096

static bool in_live_region(const struct lkmfs_module *module, uint64_t address)
{
    for (size_t i = 0; i < module->region_count; i++) {
        /* One past the end too: it is where objtool puts the entry that ends a section. */
        if (address - module->regions[i].address <= module->regions[i].size)
            return true;
    }
    return false;
}

/* Address of the listed section that follows `address` in the init part, if it is near enough to share its memory. */
static uint64_t next_listed(const struct lkmfs_module *module, uint64_t address, const char **name)
{
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < module->section_count; i++) {
        const struct lkmfs_section_entry *entry = &module->sections[i];
        if (entry->region < 0 && entry->address > address && entry->address < best) {
            best = entry->address;
            *name = entry->name;
        }
    }
    return best - address < INIT_LIMIT ? best : 0;
}

/* The highest address in [start, end) that an ORC entry speaks of: objtool ends each code section with an entry. */
static uint64_t orc_end(const struct layout *layout, uint64_t start, uint64_t end)
{
    uint32_t index = draft_find_section(layout->draft, ".orc_unwind_ip");
    uint64_t best = start;
    if (index == DRAFT_NONE || !layout->views[index].bytes)
        return start;
    const struct draft_section *table = &layout->draft->sections[index];
    for (uint64_t at = 0; range_fits(at, 4, table->size) && at + 4 <= layout->views[index].upper; at += 4) {
        uint64_t ip = table->address + at + (uint64_t)(int64_t)(int32_t)le32(layout->views[index].bytes + at);
        if (ip > best && ip < end && !in_live_region(layout->draft->module, ip))
            best = ip;
    }
    return best;
}

static bool size_code(const struct layout *layout, struct draft_section *section)
{
    const char *name = "";
    uint64_t bound = next_listed(layout->draft->module, section->address, &name);
    /* The end of the code may be where the next section starts. */
    uint64_t end = bound ? bound + 1 : section->address + INIT_LIMIT;
    uint64_t last = orc_end(layout, section->address, end);
    if (last == section->address)
        return false;
    section->size = last - section->address;
    section->size_from = LKMFS_FROM_RESTORED;
    section->size_rule = "highest ORC entry";
    return true;
}

/*
 * Other init sections end where the next begins, which is exact before the symbol table [6.4+]. Before 6.4 the symbol
 * table was page aligned; all that most modules have is then one __addressable pointer to their init function.
 */
static bool size_data(const struct layout *layout, struct draft_section *section)
{
    const char *name = "";
    uint64_t next = next_listed(layout->draft->module, section->address, &name);
    section->size_from = LKMFS_FROM_INFERRED;
    if (next && next % PAGE) {
        section->size = next - section->address;
        section->size_rule = strcmp(name, ".symtab") == 0 ? "up to the symbol table" : "up to the next init section";
        return true;
    }
    if (strcmp(section->name, ".init.data") != 0 || !layout->evidence->has_entry_data)
        return false;
    section->size = layout->evidence->word;
    section->size_rule = "the pointer to the init function that all modules have";
    return true;
}

void layout_find_init_sizes(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        struct draft_section *section = &layout->draft->sections[i];
        if (section->region >= 0 || !convention_is_init(section->name) || !section->address)
            continue;
        bool code = layout->views[i].convention.flags & SHF_EXECINSTR;
        bool found = code ? size_code(layout, section) : size_data(layout, section);
        if (!found) {
            section->size_from = LKMFS_FROM_MISSING;
            section->size_rule = "unknown: freed after init";
        }
    }
}
