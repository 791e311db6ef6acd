/*
 * alignment.c - sh_addralign where it is no constant (SECTIONS.md section 4, "alignment that varies per module").
 *
 * All rules give the least alignment that explains what is seen; addresses bound it from above, because the loader
 * honours it and regions start on pages.
 */
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/layout.h"

#define PAGE 4096

/* The largest power of two, up to a page, that divides `value`. */
static uint64_t lowest_bit(uint64_t value)
{
    return value ? min_u64(value & -value, PAGE) : PAGE;
}

/* Length of the NOP at `bytes`, 0 if there is none: the forms that GNU as pads code with. */
static size_t nop_length(const uint8_t *bytes, size_t size)
{
    size_t prefixes = 0;
    while (prefixes < size && (bytes[prefixes] == 0x66 || bytes[prefixes] == 0x2e))
        prefixes++;
    const uint8_t *code = bytes + prefixes;
    size_t left = size - prefixes, length;
    if (left >= 1 && code[0] == 0x90)
        return prefixes + 1;
    if (left < 3 || code[0] != 0x0f || code[1] != 0x1f)
        return 0;
    switch (code[2]) { /* ModRM: [rax], [rax+8], [rax+rax+8], [rax+32], [rax+rax+32] */
    case 0x00:
        length = 3;
        break;
    case 0x40:
        length = 4;
        break;
    case 0x44:
        length = 5;
        break;
    case 0x80:
        length = 7;
        break;
    case 0x84:
        length = 8;
        break;
    default:
        return 0;
    }
    return length <= left ? prefixes + length : 0;
}

/* Do NOPs fill [start, end)? */
static bool nops_fill(const uint8_t *bytes, uint64_t start, uint64_t end)
{
    while (start < end) {
        size_t length = nop_length(bytes + start, end - start);
        if (!length)
            return false;
        start += length;
    }
    return true;
}

/* Does a run of at least align/2 NOP bytes end at `offset`? */
static bool padded_at(const uint8_t *bytes, uint64_t offset, uint64_t align)
{
    for (uint64_t length = align / 2; length < align && length <= offset; length++) {
        if (nops_fill(bytes, offset - length, offset))
            return true;
    }
    return false;
}

/* Code is aligned to 16; more shows where padding is longer than that needs, away from function starts. */
static uint64_t code_align(const struct layout *layout, uint32_t index)
{
    const struct view *view = &layout->views[index];
    size_t count, at = 0;
    const struct layout_symbol *symbols = layout_symbols_of(layout, index, &count);
    uint64_t align = 16;
    if (!view->bytes)
        return align;
    for (uint64_t offset = 32; offset < view->trimmed; offset += 32) {
        while (at < count && symbols[at].offset < offset)
            at++;
        if (at < count && symbols[at].offset == offset)
            continue;
        if (offset % 64 == 0 && padded_at(view->bytes, offset, 64))
            return 64;
        if (padded_at(view->bytes, offset, 32))
            align = 32;
    }
    return align;
}

static bool all_zero(const uint8_t *bytes, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        if (bytes[i])
            return false;
    }
    return true;
}

/* 64 when an object at a multiple of 64 follows 32 or more bytes of padding: `static const ... __aligned(64)`. */
static uint64_t padded_object_align(const struct layout *layout, uint32_t index)
{
    const struct lkmfs_module *module = layout->draft->module;
    const struct view *view = &layout->views[index];
    size_t count;
    const struct layout_symbol *symbols = layout_symbols_of(layout, index, &count);
    uint64_t end = 0;
    for (size_t i = 0; i < count && view->bytes; i++) {
        uint64_t offset = symbols[i].offset, size = module->symbols[symbols[i].index].size;
        if (size >= 32 && offset % 64 == 0 && i > 0 && offset >= end + 32 && offset <= view->upper &&
            all_zero(view->bytes + end, offset - end))
            return 64;
        if (size && offset <= view->upper)
            end = max_u64(end, min_u64(offset + size, view->upper));
    }
    return 1;
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
    uint64_t align = max_u64(view->symbols_align, padded_object_align(layout, index));
    if (layout->evidence->strings_in_rodata && view->bytes)
        align = max_u64(align, literal_align(view));
    return align;
}

/* Objects without symbols (UBSAN's) are aligned like any other: by their size, up to 32. */
static uint64_t data_align(const struct view *view)
{
    uint64_t unnamed = view->trimmed > view->symbols_end ? view->trimmed - view->symbols_end : 0;
    return unnamed >= 32 ? 32 : view->symbols_align;
}

static uint64_t guess(struct layout *layout, uint32_t index)
{
    const struct draft_section *section = &layout->draft->sections[index];
    const struct view *view = &layout->views[index];
    if (strcmp(section->name, ".text.unlikely") == 0)
        return 1;
    if (view->convention.kind == SECTION_CODE)
        return code_align(layout, index);
    if (strcmp(section->name, ".rodata") == 0)
        return rodata_align(layout, index);
    if (strcmp(section->name, ".data") == 0)
        return data_align(view);
    return view->symbols_align;
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

void layout_correct_alignments(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++) {
        const struct draft_section *section = &layout->draft->sections[i];
        const struct view *view = &layout->views[i];
        bool exact = section->size_from == LKMFS_FROM_RESTORED || view->convention.kind == SECTION_CODE;
        if (view->next == DRAFT_NONE || section->region < 0 || !exact)
            continue;
        struct draft_section *next = &layout->draft->sections[view->next];
        uint64_t align = explaining_align(section->address + section->size, next->address);
        if (align > next->align)
            next->align = align;
    }
}
