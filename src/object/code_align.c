/*
 * code_align.c - functions start at multiples of 16, so code needs no more; what needs more is the head of a loop, and
 * the NOPs before it show it.
 *
 * Hand-written code aligns loops to 32 or 64, whatever padding that takes. gcc 14 and later align tight loops to the
 * power of two that holds them, up to a cache line (ix86_align_loops()); older ones pad by 10 bytes at most, to 16.
 */
#include "object/code_align.h"

#include "base/cursor.h"
#include "base/overflow.h"

#define LINE 64

/* Loops in padding, by the power of two that holds them: those at a multiple of it and those that are not. */
struct loops {
    size_t aligned, unaligned;
};

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

/* Does padding fill [start, end)? GNU as fills with its longest NOP and ends with a shorter one: rows of others are
 * patch sites. */
static bool nops_fill(const uint8_t *bytes, uint64_t start, uint64_t end)
{
    while (start < end) {
        size_t length = nop_length(bytes + start, end - start);
        if (!length || (length < 8 && start + length != end))
            return false;
        start += length;
    }
    return true;
}

/* Bytes of the longest run of NOPs that ends at `offset`, less than a cache line. */
static uint64_t padding_before(const uint8_t *bytes, uint64_t offset)
{
    uint64_t longest = 0;
    if (bytes[offset - 1] != 0x00 && bytes[offset - 1] != 0x90) /* the last byte of any NOP */
        return 0;
    for (uint64_t length = 1; length < LINE && length <= offset; length++) {
        /* All NOPs start with one of four bytes: cheap to refuse most lengths. */
        uint8_t first = bytes[offset - length];
        if ((first == 0x90 || first == 0x66 || first == 0x2e || first == 0x0f) &&
            nops_fill(bytes, offset - length, offset))
            longest = length;
    }
    return longest;
}

/* Size of the loop whose head is at `offset`: up to the first short jump back to it; 0 if there is none in a line. */
static uint64_t loop_size(const uint8_t *bytes, uint64_t offset, uint64_t size)
{
    for (uint64_t at = offset; at + 2 <= size && at + 2 - offset <= LINE; at++) {
        bool short_jump = (bytes[at] & 0xf0) == 0x70 || bytes[at] == 0xeb;
        if (short_jump && at + 2 + (uint64_t)(int64_t)(int8_t)bytes[at + 1] == offset)
            return at + 2 - offset;
    }
    return 0;
}

/* .altinstructions replaces whole instructions by NOPs at its sites: that is no padding. */
static bool is_patched(const struct layout *layout, uint64_t start, uint64_t end)
{
    uint32_t index = draft_find_section(layout->draft, ".altinstructions");
    uint64_t entry = layout->evidence->alt_instr_size;
    if (index == DRAFT_NONE || !layout->views[index].bytes || entry < 12)
        return false;
    const struct view *table = &layout->views[index];
    uint64_t length_at = entry == 13 ? 10 : entry - 2;
    /* The last byte of an entry, the length of its replacement, may be zero. */
    for (uint64_t at = 0; at < table->trimmed && range_fits(at, entry, table->upper); at += entry) {
        uint64_t site =
            layout->draft->sections[index].address + at + (uint64_t)(int64_t)(int32_t)le32(table->bytes + at);
        if (site < end && start < site + table->bytes[at + length_at])
            return true;
    }
    return false;
}

/* What `length` bytes of padding before `offset` say. A single NOP of 5 bytes is a patch site, of 2 perhaps. */
static uint64_t judge(const struct layout *layout, uint32_t index, uint64_t offset, uint64_t length,
                      struct loops loops[2])
{
    const struct view *view = &layout->views[index];
    uint64_t address = layout->draft->sections[index].address + offset;
    if (length < 3 || length == 5)
        return 16;
    uint64_t size = loop_size(view->bytes, offset, view->trimmed);
    if (size > 16 && size <= 32)
        *(offset % 32 ? &loops[0].unaligned : &loops[0].aligned) += 1;
    else if (size > 32)
        *(offset % 64 ? &loops[1].unaligned : &loops[1].aligned) += 1;
    uint64_t shown = offset % 64 == 0 && length >= 32 ? 64 : offset % 32 == 0 && length >= 16 ? 32 : 16;
    return shown > 16 && is_patched(layout, address - length, address) ? 16 : shown;
}

uint64_t code_align(const struct layout *layout, uint32_t index)
{
    const struct view *view = &layout->views[index];
    size_t count, at = 0;
    const struct layout_symbol *symbols = layout_symbols_of(layout, index, &count);
    struct loops loops[2] = {{0, 0}, {0, 0}};
    uint64_t align = 16;
    for (uint64_t offset = 16; view->bytes && offset < view->trimmed; offset += 16) {
        while (at < count && symbols[at].offset < offset)
            at++;
        /* The padding before a function may be room for patches (CONFIG_FUNCTION_PADDING_BYTES). */
        if (at < count && symbols[at].offset == offset)
            continue;
        uint64_t length = padding_before(view->bytes, offset);
        if (length)
            align = max_u64(align, judge(layout, index, offset, length, loops));
    }
    for (unsigned i = 0; i < 2; i++) {
        if (loops[i].aligned > loops[i].unaligned)
            align = max_u64(align, i ? 64 : 32);
    }
    return align;
}
