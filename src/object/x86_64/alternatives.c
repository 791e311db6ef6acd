/*
 * alternatives.c - .altinstructions: instructions that the kernel replaces by what the CPU does best. The original is
 * not kept; it follows from the macro, and the macro from the entries of a site taken together (RECONSTRUCT.md
 * section 5.8).
 */
#include "object/x86_64/alternatives.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/x86_64/nops.h"
#include "object/x86_64/pv.h"
#include "object/x86_64/tables.h"

#define FLAG_DIRECT   2u /* ALT_FLAG_DIRECT_CALL [6.8+] */
#define FLAGGED_ENTRY 14 /* bytes of an entry with flags [6.3+] */

/* ---- reading ---- */

static bool read_entry(const struct restore *r, const struct draft_section *table, uint64_t at, unsigned size,
                       struct alternative *ret)
{
    const uint8_t *bytes = table->data + at;
    uint32_t index;
    const struct draft_section *code = section_named(r, ".altinstr_replacement", &index);
    *ret = (struct alternative){.site = table->address + at + (uint64_t)(int64_t)(int32_t)le32(bytes),
                                .replacement = table->address + at + 4 + (uint64_t)(int64_t)(int32_t)le32(bytes + 4),
                                .feature = le16(bytes + 8),
                                .flags = size == FLAGGED_ENTRY ? le16(bytes + 10) : 0,
                                .length = bytes[size == FLAGGED_ENTRY ? 12 : 10],
                                .size = bytes[size == FLAGGED_ENTRY ? 13 : 11],
                                .index = (uint32_t)(at / size)};
    if (ret->size == 0)
        return ret->length > 0;
    if (!code || ret->replacement < code->address || ret->replacement - code->address > code->size ||
        ret->size > code->size - (ret->replacement - code->address))
        return false;
    ret->bytes = code->data + (ret->replacement - code->address);
    return ret->length >= ret->size;
}

/* Zeros behind the last entry, where the table's size is not known exactly. */
static bool is_padding(const struct draft_section *table, uint64_t at, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (table->data[at + i])
            return false;
    return true;
}

unsigned alternative_size(const struct restore *r, const struct draft_section *section)
{
    const unsigned sizes[] = {r->context->shapes.alternative, 14, 12, 13};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        unsigned size = sizes[i];
        bool fits = size >= 12 && size <= 14;
        size_t odd = 0;
        for (uint64_t at = 0; fits && at + size <= section->size; at += size) {
            struct alternative entry;
            odd += !is_padding(section, at, size) && !read_entry(r, section, at, size, &entry);
        }
        if (fits && odd <= section->size / size / 4) /* some entries may be damaged */
            return size;
    }
    return 0;
}

/* ---- what stands at a site ---- */

static bool is_filling(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0xcc)
            return is_nops(bytes, size);
    return true;
}

/* Where the field of an instruction that is relative to the next one lies; the instruction's end if it has none. */
static unsigned relative_field(const struct instruction *in)
{
    if (in->relative && in->imm_size == 4)
        return in->imm_offset;
    return in->rip && in->disp_size == 4 ? in->disp_offset : in->length;
}

/*
 * Whether the site holds the instruction `done` bytes into the replacement: relative fields that lead out of it were
 * adjusted to the site.
 */
static bool holds_instruction(const struct site *site, const struct alternative *entry, size_t done,
                              const struct instruction *in)
{
    const uint8_t *was = entry->bytes + done, *is = site->bytes + done;
    unsigned field = relative_field(in), after = field < in->length ? field + 4 : field;
    if (memcmp(is, was, field) != 0 || memcmp(is + after, was + after, in->length - after) != 0)
        return false;
    if (field == in->length || le32(is + field) == le32(was + field))
        return true;
    return le32(is + field) == le32(was + field) + (uint32_t)(entry->replacement - site->address);
}

/* Whether the site, which is in one section, holds this replacement, moved there, and filling. */
static bool holds(const struct site *site, const struct alternative *entry)
{
    size_t length = entry->length;
    if (!entry->bytes)
        return false;
    if (entry->size == 5 && entry->bytes[0] == 0xe9 && site->bytes[0] == 0xeb) { /* the kernel shortens jumps */
        uint64_t to = entry->replacement + 5 + (uint64_t)(int64_t)(int32_t)le32(entry->bytes + 1);
        return site->address + 2 + (uint64_t)(int64_t)(int8_t)site->bytes[1] == to &&
               is_filling(site->bytes + 2, length - 2);
    }
    struct instruction in;
    for (size_t done = 0; done < entry->size; done += in.length)
        if (!decode(entry->bytes + done, entry->size - done, &in) || !holds_instruction(site, entry, done, &in))
            return false;
    return is_filling(site->bytes + entry->size, length - entry->size);
}

/* Whether the site still holds the original, its NOPs perhaps merged into longer ones. */
static bool holds_original(const struct restore *r, const struct site *site, const struct original *original)
{
    size_t code = original->size;
    while (code > 0 && original->bytes[code - 1] == 0x90)
        code--;
    if (original->import) {
        const char *name = context_exact(r->context, branch_target(site, 5));
        return site->bytes[0] == original->bytes[0] && name && strcmp(name, original->import) == 0;
    }
    if (original->target.section != DRAFT_NONE) {
        const struct draft_section *to = section_at(r, original->target.section);
        return site->bytes[0] == original->bytes[0] && branch_target(site, 5) == to->address + original->target.offset;
    }
    return memcmp(site->bytes, original->bytes, code) == 0 && is_nops(site->bytes + code, original->size - code);
}

static void write_original(struct restore *r, const struct site *site, const struct original *original)
{
    site_write(r, site, original->bytes, original->size);
    if (original->import)
        relocate_import(r, site->section, site->offset + 1, R_X86_64_PLT32, original->import, -4, LKMFS_FROM_RESTORED);
    else if (original->target.section != DRAFT_NONE)
        relocate(r, site->section, site->offset + 1, R_X86_64_PC32, &original->target);
    else /* no relocation in it, but the decoder may look */
        memset(r->owned[site->section] + site->offset, 0, original->size);
}

/* ---- one site ---- */

/* Words of pv_ops may hold the same function: then which one the site called by is not told. */
static void restore_direct_call(struct restore *r, const struct site *site, const struct alternative_group *group)
{
    size_t count = 0, slot = 0;
    for (size_t i = 0; i < r->context->pv.count; i++) {
        if (pv_makes(r, site, group->length, i)) {
            slot = i;
            count++;
        }
    }
    if (count == 1) {
        pv_write_call(r, site, group->length, slot);
        return;
    }
    restore_failed(r, RULE_ALTERNATIVE, site->address, "which paravirt operation it called is not known");
    for (size_t i = 0; count > 1 && i < r->context->pv.count; i++)
        if (pv_makes(r, site, group->length, i))
            pv_add_reading(r, site, i);
}

/*
 * Alternatives inside alternatives [6.11+]: on disk an entry has the length of what it knows, the original and the
 * replacements up to its own; the kernel raises them all to the longest (apply_alternatives()).
 */
static void restore_lengths(struct draft_section *table, const struct alternative_group *group,
                            const struct original *original)
{
    size_t length = original->size, longest;
    while (length > 0 && original->bytes[length - 1] == 0x90)
        length--;
    longest = length;
    for (size_t i = 0; i < group->count; i++) {
        if (group->entries[i].length != group->length)
            return;
        longest = max_u64(longest, group->entries[i].size);
    }
    for (size_t i = 0; longest == group->length && i < group->count; i++) {
        uint8_t *field = table->data + (size_t)group->entries[i].index * FLAGGED_ENTRY + 12;
        length = max_u64(length, group->entries[i].size);
        table->restored_bytes += *field != length;
        table->restored_sites += *field != length;
        *field = (uint8_t)length;
    }
}

static void restore_group(struct restore *r, const struct alternative_group *group, struct draft_section *table,
                          size_t *snippet)
{
    struct site site;
    struct original original = {.target = {.section = DRAFT_NONE}};
    bool is_feature_test = alternative_is_feature_test(group);
    size_t test = is_feature_test ? (*snippet)++ : 0;
    if (!site_at(r, group->entries[0].site, &site) || r->owned[site.section][site.offset])
        return; /* freed code, or paravirt.c has restored it */
    if (group->length > site.size) {
        restore_failed(r, RULE_ALTERNATIVE, site.address, "it is longer than its section");
        return;
    }
    bool is_direct = false, is_held = false;
    for (size_t i = 0; i < group->count; i++)
        is_direct |= group->entries[i].flags & FLAG_DIRECT && group->length == 6;
    if (is_direct) {
        restore_direct_call(r, &site, group);
        return;
    }
    bool is_known =
        is_feature_test ? alternative_snippet(r, test, &original) : alternative_original(r, group, &original);
    if (!is_known) {
        restore_failed(r, RULE_ALTERNATIVE, site.address, "no macro is known that has these replacements");
        return;
    }
    for (size_t i = 0; i < group->count; i++)
        is_held |= holds(&site, &group->entries[i]);
    if (table)
        restore_lengths(table, group, &original);
    if (is_held || holds_original(r, &site, &original) || (is_feature_test && is_nops(site.bytes, group->length)))
        write_original(r, &site, &original);
    else
        restore_failed(r, RULE_ALTERNATIVE, site.address, "neither original nor a replacement");
}

static int by_site(const void *a, const void *b)
{
    const struct alternative *x = a, *y = b;
    if (x->site != y->site)
        return x->site < y->site ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int by_first_index(const void *a, const void *b)
{
    const struct alternative_group *x = a, *y = b;
    return x->entries[0].index < y->entries[0].index ? -1 : x->entries[0].index > y->entries[0].index;
}

/* Groups the sorted entries by site; groups in the order of the table. */
static size_t group_entries(const struct alternative *entries, size_t count, struct alternative_group *groups)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || entries[i].site != entries[i - 1].site)
            groups[found++] = (struct alternative_group){.entries = &entries[i]};
        struct alternative_group *group = &groups[found - 1];
        group->count++;
        if (entries[i].length > group->length)
            group->length = entries[i].length;
    }
    qsort(groups, found, sizeof(*groups), by_first_index);
    return found;
}

void restore_alternatives(struct restore *r)
{
    uint32_t index;
    size_t count = 0, snippet = 0;
    struct draft_section *table = section_named(r, ".altinstructions", &index);
    unsigned size = table ? alternative_size(r, table) : 0;
    if (size == 0) {
        if (table)
            draft_doubt(r->draft, ".altinstructions: no known size of its entries fits; left as in memory");
        return;
    }
    struct alternative *entries = calloc(table->size / size + 1, sizeof(*entries));
    struct alternative_group *groups = calloc(table->size / size + 1, sizeof(*groups));
    for (uint64_t at = 0; entries && groups && at + size <= table->size; at += size) {
        if (read_entry(r, table, at, size, &entries[count]))
            count++;
        else if (!is_padding(table, at, size))
            restore_failed(r, RULE_ALTERNATIVE, table->address + at, "the entry makes no sense");
    }
    if (entries && groups) {
        qsort(entries, count, sizeof(*entries), by_site);
        size_t found = group_entries(entries, count, groups);
        for (size_t i = 0; i < found; i++)
            restore_group(r, &groups[i], size == FLAGGED_ENTRY ? table : NULL, &snippet);
    } else {
        r->out_of_memory = true;
    }
    free(entries);
    free(groups);
}
