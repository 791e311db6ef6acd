#include "object/x86_64/pieces.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/cursor.h"
#include "base/overflow.h"
#include "object/x86_64/units.h"

#define FUNCTION_ALIGN UINT64_C(16) /* functions of x86_64 kernels begin at multiples of that */

static bool add(struct pieces *pieces, const struct piece *piece)
{
    if (!ARRAY_RESERVE(&pieces->items, &pieces->capacity, pieces->count))
        return false;
    pieces->items[pieces->count++] = *piece;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->section != y->section)
        return x->section < y->section ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether an object begins with the function at `offset`. */
static bool begins_at(const struct restore *r, uint32_t section, uint64_t offset)
{
    size_t count;
    const uint64_t *starts = units_functions(r->units, section, &count);
    uint64_t function = units_end(r->units, section, offset).place;
    return function < count && starts[function] == offset && units_begins(r->units, section, (uint32_t)function);
}

bool piece_has_before(const struct pieces *pieces, size_t index)
{
    return index > 0 && pieces->items[index - 1].section == pieces->items[index].section;
}

static void sort_pieces(struct pieces *pieces)
{
    struct piece *items = pieces->items;
    if (pieces->count > 0)
        qsort(items, pieces->count, sizeof(*items), by_place);
    for (size_t i = 0; i < pieces->count; i++)
        items[i].end = i + 1 < pieces->count && piece_has_before(pieces, i + 1) ? items[i + 1].start : UINT32_MAX;
}

bool pieces_find(const struct restore *r, uint32_t text, uint32_t function_count, const struct unwind *unwind,
                 struct pieces *ret)
{
    *ret = (struct pieces){0};
    for (size_t i = 0; i < unwind->count; i++) {
        const struct unwind_entry *entry = &unwind->entries[i], *before = i > 0 ? entry - 1 : entry;
        struct piece piece = {.section = entry->section, .start = entry->offset, .high = function_count};
        if (entry->section == text || entry->section == DRAFT_NONE || entry->is_nothing)
            continue;
        if (i == 0 || before->section != entry->section)
            piece.start = 0; /* entries are sorted by address, so those of a section are together */
        else if (!before->is_nothing)
            continue;
        piece.is_apart = piece.start == 0 || unwind_is_end(unwind, i - 1) || begins_at(r, piece.section, piece.start);
        if (!add(ret, &piece))
            return false;
    }
    sort_pieces(ret);
    return true;
}

static bool add_functions(const struct restore *r, uint32_t part, uint32_t section, uint32_t function_count,
                          struct pieces *ret)
{
    size_t count;
    const uint64_t *starts = units_functions(r->units, part, &count);
    for (size_t i = 0; i < count; i++) {
        struct piece piece = {.section = section, .start = starts[i], .high = function_count, .is_apart = i == 0};
        if (!add(ret, &piece))
            return false;
    }
    return true;
}

/* Of freed code only the calls of the tracer are left, one a function, and near its start. */
static bool add_freed(const struct restore *r, uint32_t function_count, struct pieces *ret)
{
    uint32_t index, last = DRAFT_NONE;
    const struct draft_section *table = section_named(r, "__mcount_loc", &index);
    for (size_t i = 0; table && i < table->size / 8; i++) {
        uint64_t address = le64(table->data + i * 8);
        const struct span *init = freed_around(r, address);
        if (!init)
            continue;
        uint64_t start = max_u64(address & ~(FUNCTION_ALIGN - 1), init->start) - init->start;
        struct piece piece = {.section = init->section, .start = start, .high = function_count};
        piece.is_apart = init->section != last;
        last = init->section;
        if (!add(ret, &piece))
            return false;
    }
    return true;
}

bool pieces_of_functions(const struct restore *r, uint32_t text, uint32_t function_count, struct pieces *ret)
{
    *ret = (struct pieces){0};
    for (uint32_t i = 0; i < r->draft->section_count; i++)
        if (i != text && is_code(section_at(r, i)) && !add_functions(r, i, i, function_count, ret))
            return false;
    if (text == r->cold_section && !add_functions(r, (uint32_t)r->draft->section_count, text, function_count, ret))
        return false;
    if (!add_freed(r, function_count, ret))
        return false;
    sort_pieces(ret);
    return true;
}

struct piece *pieces_at(const struct pieces *pieces, uint32_t section, uint64_t offset)
{
    size_t low = 0, high = pieces->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct piece *piece = &pieces->items[middle];
        if (piece->section < section || (piece->section == section && piece->start <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && pieces->items[low - 1].section == section ? &pieces->items[low - 1] : NULL;
}

void pieces_join(struct pieces *pieces)
{
    size_t count = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        const struct piece *piece = &pieces->items[i];
        struct piece *last = count ? &pieces->items[count - 1] : NULL;
        if (!last || piece->is_apart || piece->low > last->high || piece->high < last->low) {
            pieces->items[count++] = *piece;
            continue;
        }
        if (piece->low >= last->low) {
            last->is_member = piece->is_member;
            last->low = piece->low;
        }
        last->high = piece->high < last->high ? piece->high : last->high;
        last->end = piece->end;
    }
    pieces->count = count;
}
