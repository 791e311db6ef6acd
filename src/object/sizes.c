/*
 * sizes.c - the size of every section that is in memory: SECTIONS.md section 3, rules in order of trust.
 *
 * The kernel keeps no sizes. What it keeps are counts of tables, sizes of notes and of symbols; the rest follows from
 * where the next section begins and where the zeros before it do.
 */
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/layout.h"

/* One section being sized. */
struct sizing {
    const struct layout *layout;
    const struct draft_section *section;
    const struct view *view;
    uint64_t lower, upper; /* the true size lies in [lower, upper] when the next section's alignment is right */
    bool lower_sure;       /* it is right: not guessed from the symbols there */
};

/* Returns true and the size when the rule applies. */
typedef bool size_rule(const struct sizing *sizing, uint64_t *ret);

struct rule {
    size_rule *find;
    const char *name;
    enum lkmfs_provenance from;
};

static uint64_t round_up(uint64_t value, uint64_t entry)
{
    uint64_t rest = entry ? value % entry : 0;
    return rest ? value + (entry - rest) : value;
}

static uint64_t clip(const struct sizing *sizing, uint64_t size)
{
    return min_u64(max_u64(size, sizing->lower), sizing->upper);
}

/* ---- facts that the kernel kept ---- */

/*
 * A table that struct module points to and counts. Not for an __ex_table whose init entries were cut off at its start:
 * its pointer has moved (trim_init_extable()).
 */
static bool by_count(const struct sizing *sizing, uint64_t *ret)
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

static bool by_note(const struct sizing *sizing, uint64_t *ret)
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

static bool by_struct(const struct sizing *sizing, uint64_t *ret)
{
    const struct lkmfs_module *module = sizing->layout->draft->module;
    *ret = module->bytes_size;
    return strcmp(sizing->section->name, ".gnu.linkonce.this_module") == 0 && module->bytes_size <= sizing->upper;
}

static bool by_neighbour(const struct sizing *sizing, uint64_t *ret)
{
    *ret = sizing->upper;
    return sizing->view->next != DRAFT_NONE && sizing->lower == sizing->upper;
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
static bool by_exports(const struct sizing *sizing, uint64_t *ret)
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
        if (!view->bytes || !by_count(&table, &size))
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

static bool by_last_string(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    uint64_t entry = max_u64(view->convention.entry, 1);
    if (view->convention.kind != SECTION_STRINGS || !view->bytes || !view->trimmed)
        return false;
    uint64_t size = round_up(view->trimmed, entry) + entry;
    *ret = min_u64(sizing->lower_sure ? max_u64(size, sizing->lower) : size, sizing->upper);
    return true;
}

/* Constants are labelled by symbols without a size. */
static bool by_constants(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    uint64_t entry = view->convention.entry;
    if (view->convention.kind != SECTION_CONSTANTS || !entry)
        return false;
    uint64_t labelled = view->symbols && view->last_symbol < sizing->upper ? view->last_symbol + entry : 0;
    *ret = max_u64(round_up(labelled, entry), max_u64(round_up(view->trimmed, entry), round_up(sizing->lower, entry)));
    return *ret && *ret <= sizing->upper;
}

/* ---- tables that are not counted ---- */

static bool by_entries(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    uint64_t entry = view->convention.entry;
    if (view->convention.kind != SECTION_TABLE || !entry || !view->bytes)
        return false;
    uint64_t seen = max_u64(view->trimmed, view->symbols_end <= sizing->upper ? view->symbols_end : 0);
    bool cut = sizing->layout->evidence->parainstructions_cut && entry == 16 &&
               strcmp(sizing->section->name, ".parainstructions") == 0;
    /* No entry is all zero, so what is seen counts more than a guess of the next section's alignment. */
    uint64_t lower = sizing->lower_sure ? sizing->lower : 0;
    *ret = round_up(max_u64(seen, lower), entry) - (cut ? 4 : 0);
    return *ret >= lower && *ret <= sizing->upper && *ret != 0;
}

/* ---- code ---- */

static bool by_functions(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    if (!(sizing->section->flags & SHF_EXECINSTR) || !view->sized_symbols || view->symbols_end > sizing->upper)
        return false;
    *ret = max_u64(view->symbols_end, sizing->lower);
    return true;
}

/*
 * .altinstructions lists every replacement: s32 offset of the site, s32 offset of the replacement, flags, u8 length of
 * the site, u8 length of the replacement last [5.13+, and 5.10 stable]; a pad length followed it before.
 */
static bool by_replacements(const struct sizing *sizing, uint64_t *ret)
{
    const struct draft *draft = sizing->layout->draft;
    uint64_t entry = sizing->layout->evidence->alt_instr_size;
    uint32_t index = draft_find_section(draft, ".altinstructions");
    *ret = 0;
    if (sizing->view->convention.kind != SECTION_REPLACEMENTS || index == DRAFT_NONE)
        return false;
    const struct view *table = &sizing->layout->views[index];
    if (!table->bytes || entry < 12)
        return false;
    uint64_t length_at = entry == 13 ? 11 : entry - 1;
    for (uint64_t at = 0; range_fits(at, entry, table->trimmed); at += entry) {
        uint64_t field = draft->sections[index].address + at + 4;
        uint64_t start = field + (uint64_t)(int64_t)(int32_t)le32(table->bytes + at + 4) - sizing->section->address;
        uint64_t length = table->bytes[at + length_at];
        if (range_fits(start, length, sizing->upper))
            *ret = max_u64(*ret, start + length);
    }
    return *ret >= sizing->lower && *ret != 0;
}

/* Length of the instruction at the end of an .altinstr_aux snippet: test, jnz, jmp (_static_cpu_has()); 0 for others. */
static uint64_t snippet_length(const uint8_t *bytes, uint64_t size)
{
    if (size >= 7 && bytes[0] == 0xf6 && bytes[1] == 0x05) /* testb $imm8, disp32(%rip) */
        return 7;
    if (size >= 8 && bytes[0] == 0xf6 && bytes[1] == 0x04 && bytes[2] == 0x25) /* testb $imm8, disp32 */
        return 8;
    if (size >= 6 && bytes[0] == 0x0f && bytes[1] == 0x85) /* jnz rel32 */
        return 6;
    if (size >= 2 && (bytes[0] == 0x75 || bytes[0] == 0xeb)) /* jnz, jmp rel8 */
        return 2;
    return size >= 5 && bytes[0] == 0xe9 ? 5 : 0; /* jmp rel32 */
}

/* The last jump may end in zeros: walk the instructions. */
static bool by_snippets(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    uint64_t length;
    *ret = 0;
    if (strcmp(sizing->section->name, ".altinstr_aux") != 0 || !view->bytes)
        return false;
    while ((length = snippet_length(view->bytes + *ret, view->upper - *ret)) != 0)
        *ret += length;
    return *ret >= view->trimmed;
}

/* Code without symbols: the gap behind it is zeros, or int3 in a shared 2 MiB page [6.18+]. */
static bool by_code_bytes(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    if (!(sizing->section->flags & SHF_EXECINSTR) || !view->bytes)
        return false;
    uint64_t size = view->trimmed;
    while (size && (view->bytes[size - 1] == 0 || view->bytes[size - 1] == 0xcc))
        size--;
    *ret = clip(sizing, size);
    return true;
}

/* ---- data ---- */

static bool by_zeroed_symbols(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    if (view->convention.kind != SECTION_ZEROED || !view->sized_symbols || view->symbols_end > sizing->upper)
        return false;
    *ret = view->symbols_end;
    return true;
}

static bool is_text(uint8_t byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t';
}

/* Is the end of the bytes the end of a string, whose NUL the trimming took? */
static bool ends_in_text(const struct view *view)
{
    return view->trimmed >= 2 && view->trimmed < view->upper && is_text(view->bytes[view->trimmed - 1]) &&
           is_text(view->bytes[view->trimmed - 2]);
}

/*
 * Beyond the last named object: strings end with their NUL, a label without a size heads a constant of 16 bytes
 * (assembly), numbers and pointers end at a multiple of 4.
 */
static uint64_t unnamed_end(const struct sizing *sizing)
{
    const struct view *view = sizing->view;
    uint64_t label = view->last_symbol;
    if (view->trimmed > label && label % 16 == 0 && label >= view->symbols_end && view->symbols > view->sized_symbols &&
        view->trimmed - label <= 16)
        return label + 16;
    if (ends_in_text(view))
        return view->trimmed + 1;
    return round_up(view->trimmed, 4);
}

static bool by_objects(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    if (!view->bytes)
        return false;
    uint64_t size = view->trimmed > view->symbols_end ? min_u64(unnamed_end(sizing), view->upper) : 0;
    if (view->symbols_end <= sizing->upper)
        size = max_u64(size, view->symbols_end);
    *ret = clip(sizing, max_u64(size, view->trimmed));
    return true;
}

static bool by_gap(const struct sizing *sizing, uint64_t *ret)
{
    *ret = sizing->upper;
    return true;
}

static const struct rule rules[] = {
    {by_count, "struct module's pointer and count", LKMFS_FROM_RESTORED},
    {by_note, "notes_attrs", LKMFS_FROM_RESTORED},
    {by_struct, "sizeof(struct module)", LKMFS_FROM_RESTORED},
    {by_neighbour, "the next section begins where it ends", LKMFS_FROM_RESTORED},
    {by_exports, "end of the last string that an export names", LKMFS_FROM_RESTORED},
    {by_replacements, "end of the last replacement in .altinstructions", LKMFS_FROM_INFERRED},
    {by_entries, "last entry that is not zero", LKMFS_FROM_INFERRED},
    {by_functions, "end of the last function", LKMFS_FROM_INFERRED},
    {by_snippets, "end of the last static_cpu_has() snippet", LKMFS_FROM_INFERRED},
    {by_code_bytes, "last byte that is no padding", LKMFS_FROM_INFERRED},
    {by_zeroed_symbols, "end of the last object", LKMFS_FROM_INFERRED},
    {by_last_string, "end of the last string", LKMFS_FROM_INFERRED},
    {by_constants, "last constant", LKMFS_FROM_INFERRED},
    {by_objects, "end of the last object or last byte that is not zero", LKMFS_FROM_INFERRED},
    {by_gap, "up to the next section", LKMFS_FROM_INFERRED},
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
    }
}
