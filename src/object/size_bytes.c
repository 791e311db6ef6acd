/*
 * size_bytes.c - sizes out of symbols and of where the bytes before the next section turn to zero.
 */
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/size_rules.h"

static uint64_t round_up(uint64_t value, uint64_t entry)
{
    uint64_t rest = entry ? value % entry : 0;
    return rest ? value + (entry - rest) : value;
}

static uint64_t clip(const struct sizing *sizing, uint64_t size)
{
    return min_u64(max_u64(size, sizing->lower), sizing->upper);
}

bool size_by_last_string(const struct sizing *sizing, uint64_t *ret)
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
bool size_by_constants(const struct sizing *sizing, uint64_t *ret)
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

bool size_by_entries(const struct sizing *sizing, uint64_t *ret)
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

bool size_by_functions(const struct sizing *sizing, uint64_t *ret)
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
bool size_by_replacements(const struct sizing *sizing, uint64_t *ret)
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

/* Length of the instruction at the end of an .altinstr_aux snippet: test, jnz, jmp (_static_cpu_has()); 0 for others.
 */
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
bool size_by_snippets(const struct sizing *sizing, uint64_t *ret)
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
bool size_by_code_bytes(const struct sizing *sizing, uint64_t *ret)
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

bool size_by_zeroed_symbols(const struct sizing *sizing, uint64_t *ret)
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

/*
 * End of a constant of two bytes, the smallest that compilers label (.LC) and so what linkers that merge constants of a
 * size put last; 0 when no such label is the last that is there.
 */
static uint64_t last_constant_end(const struct sizing *sizing)
{
    const struct view *view = sizing->view;
    const struct lkmfs_module *module = sizing->layout->draft->module;
    size_t count;
    const struct layout_symbol *symbols =
        layout_symbols_of(sizing->layout, (uint32_t)(sizing->section - sizing->layout->draft->sections), &count);
    uint64_t end = view->last_symbol + 2;
    const char *name = count ? module->symbols[symbols[count - 1].index].name : NULL;
    if (!name || strncmp(name, ".LC", 3) != 0 || view->last_symbol % 2 || view->convention.kind == SECTION_STRINGS)
        return 0;
    return view->trimmed <= end && view->symbols_end <= view->last_symbol && end <= sizing->upper ? end : 0;
}

bool size_by_objects(const struct sizing *sizing, uint64_t *ret)
{
    const struct view *view = sizing->view;
    uint64_t size = view->trimmed > view->symbols_end ? min_u64(unnamed_end(sizing), view->upper) : 0;
    if (view->symbols_end <= sizing->upper)
        size = max_u64(size, view->symbols_end);
    uint64_t constant = last_constant_end(sizing);
    *ret = clip(sizing, constant ? constant : max_u64(size, view->trimmed));
    return true;
}
