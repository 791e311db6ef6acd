/*
 * loadable.c - insmod patches every site that a table names, before anything else looks at it; an entry that points
 * into freed init code is fatal. Running exit without init is, too. So both go, and a module without them is legal: it
 * does nothing, and can be removed.
 */
#include "object/loadable.h"

#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/conventions.h"

/* One table that loses entries. The last may lack the padding of the others (.parainstructions of assembler). */
struct table {
    struct draft_section *section;
    uint32_t index;
    uint64_t entry;
    size_t count;
    bool *gone; /* for each entry */
};

static bool is_dropped(const struct draft_section *section)
{
    return convention_is_init(section->name) || strncmp(section->name, ".note", 5) == 0;
}

static bool points_to_dropped(const struct draft *draft, const struct draft_target *target)
{
    uint32_t section = DRAFT_NONE;
    if (target->kind == DRAFT_TARGET_SECTION)
        section = target->index;
    else if (target->kind == DRAFT_TARGET_SYMBOL)
        section = draft->symbols[target->index].section;
    return section < draft->section_count && draft->sections[section].left_out;
}

/* All entries of these tables are relocated: one without a relocation is of a place that could not be told. */
static bool find_gone(struct draft *draft, struct table *table)
{
    const struct draft_section *section = table->section;
    bool *known = calloc(table->count + 1, sizeof(*known));
    table->gone = calloc(table->count + 1, sizeof(*table->gone));
    if (!known || !table->gone) {
        free(known);
        return false;
    }
    for (size_t i = 0; i < section->relocation_count; i++) {
        uint64_t at = section->relocations[i].offset / table->entry;
        if (at >= table->count)
            continue;
        known[at] = true;
        table->gone[at] |= points_to_dropped(draft, &section->relocations[i].target);
    }
    for (size_t i = 0; i < table->count; i++)
        table->gone[i] |= !known[i];
    free(known);
    return true;
}

/* New offset of `offset`, and whether what is there is gone. */
static uint64_t moved(const struct table *table, const uint64_t *removed_before, uint64_t offset, bool *gone)
{
    uint64_t at = offset < table->section->size ? offset / table->entry : table->count;
    *gone = at < table->count && table->gone[at];
    return offset - removed_before[at];
}

static void move_relocations(const struct table *table, const uint64_t *removed_before)
{
    struct draft_section *section = table->section;
    size_t kept = 0;
    for (size_t i = 0; i < section->relocation_count; i++) {
        struct draft_relocation relocation = section->relocations[i];
        bool gone;
        relocation.offset = moved(table, removed_before, relocation.offset, &gone);
        if (!gone)
            section->relocations[kept++] = relocation;
    }
    section->relocation_count = kept;
}

/* Symbols in the table move along; those of removed entries are left, empty, where the entry was. */
static void move_symbols(struct draft *draft, const struct table *table, const uint64_t *removed_before)
{
    for (size_t i = 0; i < draft->symbol_count; i++) {
        struct draft_symbol *symbol = &draft->symbols[i];
        if (symbol->section != table->index)
            continue;
        symbol->value = moved(table, removed_before, symbol->value, &symbol->gone);
        if (symbol->gone)
            symbol->size = 0;
    }
}

/*
 * References to the table go to the start of an entry (code to that of its WARN() [7.x]), less the bias of a
 * PC-relative field.
 */
static void move_references(struct draft *draft, const struct table *table, const uint64_t *removed_before)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        struct draft_section *section = &draft->sections[i];
        for (size_t j = 0; j < section->relocation_count; j++) {
            struct draft_target *target = &section->relocations[j].target;
            if (target->kind != DRAFT_TARGET_SECTION || target->index != table->index)
                continue;
            uint64_t offset = target->addend > 0 ? (uint64_t)target->addend : 0;
            uint64_t at = offset / table->entry + (offset % table->entry > 0);
            target->addend -= (int64_t)removed_before[min_u64(at, table->count)];
        }
    }
}

/* The same where a range begins or ends: at the start of what is gone. */
static uint64_t moved_bound(const struct table *table, const uint64_t *removed_before, uint64_t offset)
{
    bool gone;
    uint64_t to = moved(table, removed_before, offset, &gone);
    return gone ? to - offset % table->entry : to;
}

/* What was missing stays so; of entries that are gone nothing is. */
static void move_missing(const struct table *table, const uint64_t *removed_before)
{
    struct draft_section *section = table->section;
    size_t count = 0;
    for (size_t i = 0; i < section->missing_count; i++) {
        const struct lkmfs_byte_range *range = &section->missing[i];
        uint64_t start = moved_bound(table, removed_before, range->offset);
        uint64_t end = moved_bound(table, removed_before, range->offset + range->size);
        if (end > start)
            section->missing[count++] = (struct lkmfs_byte_range){.offset = start, .size = end - start};
    }
    section->missing_count = count;
}

static bool shrink(struct draft *draft, const struct table *table)
{
    struct draft_section *section = table->section;
    uint64_t *removed_before = calloc(table->count + 1, sizeof(*removed_before));
    uint64_t removed = 0;
    if (!removed_before)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        uint64_t at = i * table->entry, size = min_u64(table->entry, section->size - at);
        removed_before[i] = removed;
        if (table->gone[i])
            removed += size;
        else
            memmove(section->data + at - removed, section->data + at, size);
    }
    removed_before[table->count] = removed;
    move_relocations(table, removed_before);
    move_symbols(draft, table, removed_before);
    move_references(draft, table, removed_before);
    move_missing(table, removed_before);
    section->size -= removed;
    free(removed_before);
    return true;
}

/* .orc_unwind has one entry for each of .orc_unwind_ip, and no relocations that could tell which. */
static bool shrink_orc(struct draft *draft, const struct table *ips)
{
    uint32_t index = draft_find_section(draft, ".orc_unwind");
    if (strcmp(ips->section->name, ".orc_unwind_ip") != 0 || index == DRAFT_NONE || !ips->count)
        return true;
    struct table orc = {.section = &draft->sections[index], .index = index, .count = ips->count, .gone = ips->gone};
    orc.entry = orc.section->size / ips->count;
    if (!orc.section->data || !orc.entry || orc.section->size != orc.entry * orc.count)
        return true;
    return shrink(draft, &orc);
}

/* Does the build's indirect call stand at the site that the first field of an alternative names? */
static bool has_indirect_call(const struct draft *draft, const struct draft_target *target)
{
    const struct draft_section *code = &draft->sections[target->index];
    uint64_t site = (uint64_t)target->addend;
    return code->data && range_fits(site, 2, code->size) && code->data[site] == 0xff && code->data[site + 1] == 0x15;
}

/*
 * Alternatives with ALT_FLAG_DIRECT_CALL [x86, 6.8+] want the indirect call of the build at their site and stop the
 * kernel when it is not there (apply_alternatives()). Where the call could not be restored, what the kernel made of it
 * is there, and works: the entry goes.
 */
static void drop_spent_alternatives(struct draft *draft, struct table *table)
{
    const struct draft_section *section = table->section;
    size_t spent = 0;
    if (strcmp(section->name, ".altinstructions") != 0 || table->entry != 14)
        return;
    for (size_t i = 0; i < section->relocation_count; i++) {
        const struct draft_relocation *relocation = &section->relocations[i];
        uint64_t at = relocation->offset / table->entry;
        if (relocation->offset % table->entry || !range_fits(relocation->offset, table->entry, section->size) ||
            table->gone[at] || relocation->target.kind != DRAFT_TARGET_SECTION)
            continue;
        bool direct = section->data[relocation->offset + 10] & 2; /* flags */
        table->gone[at] = direct && !has_indirect_call(draft, &relocation->target);
        spent += table->gone[at];
    }
    if (spent)
        draft_doubt(draft, "%zu alternatives are left as the kernel patched them, without an entry", spent);
}

static bool trim_table(struct draft *draft, uint32_t index)
{
    struct table table = {.section = &draft->sections[index], .index = index, .entry = draft->sections[index].entry};
    /* Tables that the machine step knows; .orc_unwind has no relocations and follows .orc_unwind_ip. */
    if (!table.entry || !table.section->data || !table.section->relocation_count)
        return true;
    table.count = (table.section->size + table.entry - 1) / table.entry;
    bool ok = find_gone(draft, &table);
    if (ok) {
        drop_spent_alternatives(draft, &table);
        ok = !memchr(table.gone, 1, table.count) || (shrink(draft, &table) && shrink_orc(draft, &table));
    }
    free(table.gone);
    return ok;
}

/* A reference that stays zero is a null pointer or a call into nothing: worth a doubt where code or data hold it. */
static void note_lost(struct draft *draft, const struct draft_section *section)
{
    size_t lost = 0;
    for (size_t i = 0; i < section->relocation_count; i++)
        lost += points_to_dropped(draft, &section->relocations[i].target);
    if (lost && !section->left_out)
        draft_doubt(draft, "%zu references from %s to freed init sections are left zero", lost, section->name);
}

/* Whether `symbol` can stand in the file: absolute ones and those of removed entries only when something names them. */
static bool is_written(const struct draft *draft, const struct draft_symbol *symbol, bool named)
{
    if (symbol->section == DRAFT_NONE || symbol->gone)
        return named;
    return !draft->sections[symbol->section].left_out;
}

/*
 * What the kept relocations name, whatever it is: an undefined symbol that nothing uses would have to be found all the
 * same, and CRCs are values of absolute symbols [-5.11].
 */
static void select_named(const struct draft *draft, bool *symbols, bool *imports)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct draft_section *section = &draft->sections[i];
        for (size_t j = 0; j < section->relocation_count && !section->left_out; j++) {
            const struct draft_target *target = &section->relocations[j].target;
            if (target->kind == DRAFT_TARGET_IMPORT)
                imports[target->index] = true;
            else if (target->kind == DRAFT_TARGET_SYMBOL)
                symbols[target->index] |= is_written(draft, &draft->symbols[target->index], true);
        }
    }
}

static void drop_unused(struct draft *draft)
{
    bool *symbols = calloc(draft->symbol_count + 1, sizeof(*symbols));
    bool *imports = calloc(draft->import_count + 1, sizeof(*imports));
    if (symbols && imports) {
        for (size_t i = 0; i < draft->symbol_count; i++)
            symbols[i] = is_written(draft, &draft->symbols[i], false);
        select_named(draft, symbols, imports);
        draft_keep(draft, symbols, imports);
    } else {
        draft->out_of_memory = true;
    }
    free(symbols);
    free(imports);
}

void loadable_trim(struct draft *draft)
{
    for (size_t i = 0; i < draft->section_count; i++)
        draft->sections[i].left_out = is_dropped(&draft->sections[i]);
    for (uint32_t i = 0; i < draft->section_count; i++) {
        struct draft_section *section = &draft->sections[i];
        if (strcmp(section->name, ".gnu.linkonce.this_module") == 0)
            section->relocation_count = 0;
        if (!trim_table(draft, i)) {
            draft->out_of_memory = true;
            return;
        }
        note_lost(draft, section);
    }
    drop_unused(draft);
}
