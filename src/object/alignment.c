/*
 * alignment.c - sh_addralign where it is no constant (SECTIONS.md section 4, "alignment that varies per module").
 *
 * All rules give the least alignment that explains what is seen; addresses bound it from above, because the loader
 * honours it and regions start on pages.
 */
#include <elf.h>
#include <string.h>

#include "base/overflow.h"
#include "base/zeros.h"
#include "object/code_align.h"
#include "object/layout.h"

#define PAGE 4096

/* The largest power of two, up to a page, that divides `value`. */
static uint64_t lowest_bit(uint64_t value)
{
    return value ? min_u64(value & -value, PAGE) : PAGE;
}

/* Called for each stretch of a section that no symbol covers, up to the next symbol with a size or the end. */
struct gap {
    uint64_t start, end;
    uint64_t next_size; /* size of the object behind it, 0 at the end of the section */
};

/* The gaps of a section one after another: `*at` is the next symbol, `gap->end` where the last gap ended. */
static bool next_gap(const struct layout *layout, uint32_t index, size_t *at, uint64_t *covered, struct gap *gap)
{
    const struct lkmfs_module *module = layout->draft->module;
    const struct view *view = &layout->views[index];
    size_t count;
    const struct layout_symbol *symbols = layout_symbols_of(layout, index, &count);
    while (*at < count) {
        const struct layout_symbol *symbol = &symbols[(*at)++];
        uint64_t size = module->symbols[symbol->index].size, start = *covered;
        if (!size || symbol->offset >= view->upper)
            continue;
        *covered = max_u64(start, symbol->offset + min_u64(size, view->upper - symbol->offset));
        if (symbol->offset > start) {
            *gap = (struct gap){start, symbol->offset, size};
            return true;
        }
    }
    if (*covered >= view->upper)
        return false;
    *gap = (struct gap){*covered, view->upper, 0};
    *covered = view->upper;
    return true;
}

/*
 * What the gaps between named objects show. Padding of 32 bytes and more before an object at a multiple of 64 is that
 * of a cache line (____cacheline_aligned). Bytes that are not zero belong to objects without a name (UBSAN's), which
 * are aligned by their size like all others.
 */
static uint64_t gaps_align(const struct layout *layout, uint32_t index, bool has_unnamed)
{
    const struct view *view = &layout->views[index];
    bool zeroed = view->convention.kind == SECTION_ZEROED;
    uint64_t align = 1, covered = 0;
    struct gap gap;
    for (size_t at = 0; view->bytes && next_gap(layout, index, &at, &covered, &gap);) {
        uint64_t size = gap.end - gap.start;
        bool empty = zeroed || is_all_zero(view->bytes + gap.start, size);
        if (empty && gap.start > 0 && size >= 32 && gap.next_size >= 32 && gap.end % 64 == 0)
            return 64;
        if (!empty && has_unnamed)
            align = max_u64(align, size >= 32 ? 32 : size >= 16 ? 16 : 1);
    }
    return align;
}

/* gcc aligns string literals of 31 characters and more to a word (ix86_constant_alignment()). */
static uint64_t literal_align(const struct view *view)
{
    for (uint64_t start = 0; start < view->trimmed;) {
        const uint8_t *end = memchr(view->bytes + start, 0, view->upper - start);
        uint64_t length = end ? (uint64_t)(end - view->bytes) - start : view->trimmed - start;
        if (length >= 31 && start % 8 == 0)
            return 8;
        start += length + 1;
    }
    return 1;
}

static bool is_text_byte(uint8_t byte)
{
    return byte == 0 || (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t' || byte == '\r' || byte == 1;
}

/*
 * Linkers that merge .rodata.str* into .rodata leave it its merge flags when there was nothing else in it: no objects,
 * only text.
 */
static bool only_strings(const struct view *view)
{
    if (view->sized_symbols || !view->bytes || !view->trimmed)
        return false;
    for (uint64_t i = 0; i < view->trimmed; i++) {
        if (!is_text_byte(view->bytes[i]))
            return false;
    }
    return true;
}

static uint64_t rodata_align(struct layout *layout, uint32_t index)
{
    struct draft_section *section = &layout->draft->sections[index];
    struct view *view = &layout->views[index];
    if (layout->evidence->strings_in_rodata && only_strings(view)) {
        section->flags |= SHF_MERGE | SHF_STRINGS;
        section->entsize = 1;
        view->convention.kind = SECTION_STRINGS;
        view->convention.entry = 1;
        view->convention.rela = RELA_NEVER;
        return literal_align(view);
    }
    uint64_t align = max_u64(view->symbols_align, gaps_align(layout, index, false));
    if (layout->evidence->strings_in_rodata && view->bytes)
        align = max_u64(align, literal_align(view));
    return align;
}

/* Split-off parts of functions are not aligned. */
static uint64_t unlikely_align(const struct layout *layout, uint32_t index)
{
    size_t count;
    const struct layout_symbol *symbols = layout_symbols_of(layout, index, &count);
    for (size_t i = 0; i < count; i++)
        if (evidence_is_whole_function(&layout->draft->module->symbols[symbols[i].index]))
            return layout->evidence->cold_function_align;
    return 1;
}

static uint64_t guess(struct layout *layout, uint32_t index)
{
    const struct draft_section *section = &layout->draft->sections[index];
    const struct view *view = &layout->views[index];
    if (strcmp(section->name, ".text.unlikely") == 0)
        return unlikely_align(layout, index);
    if (view->convention.kind == SECTION_CODE)
        return code_align(layout, index);
    if (strcmp(section->name, ".rodata") == 0)
        return rodata_align(layout, index);
    if (strcmp(section->name, ".data") == 0)
        return max_u64(view->symbols_align, gaps_align(layout, index, true));
    return max_u64(view->symbols_align, gaps_align(layout, index, false));
}

void layout_guess_alignments(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        struct draft_section *section = &layout->draft->sections[i];
        struct view *view = &layout->views[i];
        bool empty = section->region < 0 && !section->address;
        if (!view->align_sure && !empty) {
            section->align = max_u64(guess(layout, i), 1);
            section->header_from = LKMFS_FROM_INFERRED;
        }
        if (section->region >= 0 && section->align > lowest_bit(section->address)) {
            section->align = lowest_bit(section->address);
            view->align_sure = section->align == 1;
        }
    }
}

/* The least alignment that makes a section which could start at `end` start at `address`. */
static uint64_t explaining_align(uint64_t end, uint64_t address)
{
    uint64_t align = 1;
    while (align < PAGE && align_up(end, align) != address)
        align *= 2;
    return align_up(end, align) == address ? align : 1;
}

/* Is the end of the section known well enough to judge the gap behind it? */
static bool ends_surely(const struct draft_section *section, const struct view *view, bool next_sure)
{
    if (section->size_from == LKMFS_FROM_RESTORED)
        return true;
    if (view->convention.kind == SECTION_CODE)
        return true;
    return view->convention.kind == SECTION_TABLE && !next_sure;
}

void layout_correct_alignments(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        const struct draft_section *section = &layout->draft->sections[i];
        const struct view *view = &layout->views[i];
        if (view->next == DRAFT_NONE || section->region < 0 ||
            !ends_surely(section, view, layout->views[view->next].align_sure))
            continue;
        struct draft_section *next = &layout->draft->sections[view->next];
        uint64_t align = explaining_align(section->address + section->size, next->address);
        if (align > next->align)
            next->align = align;
    }
}
