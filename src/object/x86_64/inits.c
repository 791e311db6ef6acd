#include "object/x86_64/inits.h"

#include <stdlib.h>
#include <string.h>

#include "object/x86_64/leftovers.h"
#include "object/x86_64/undone.h"
#include "object/x86_64/units.h"

/* ---- objects ---- */

void inits_add(struct inits *inits, enum init_sign sign, uint32_t index, uint64_t offset)
{
    struct restore *r = inits->r;
    const struct ends *ends = inits->ends;
    struct piece *piece = pieces_at(inits->pieces, index, offset);
    bool is_text = index == inits->text && is_same_part(r, index, offset, 0);
    struct bounds bounds = ties_bounds(inits->ties, units_end(r->units, index, offset));
    struct init_object object = {sign, ends->next_can[bounds.low], ends->count, bounds.high < bounds.low, NULL};
    if (inits->count == INIT_OBJECTS_MAX)
        return;
    if (piece && !is_text)
        object = (struct init_object){sign, piece->low, piece->high, piece->is_member, piece};
    else if (!r->context->shapes.objtool_per_object && object.is_member)
        object.high = object.low; /* no ends are known */
    else if (bounds.high < ends->count)
        object.high = ends->next_by[bounds.high + 1];
    bool tells = piece || object.low > ends->next_can[0] || object.high < ends->count;
    if (tells && object.low <= object.high)
        inits->found[inits->count++] = object;
}

static int by_certainty(const void *a, const void *b)
{
    const struct init_object *x = a, *y = b;
    if (x->sign != y->sign)
        return x->sign < y->sign ? -1 : 1;
    if (x->high - x->low != y->high - y->low)
        return x->high - x->low < y->high - y->low ? -1 : 1;
    return x->low < y->low ? -1 : x->low > y->low;
}

static bool is_repeated(const struct inits *inits, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (inits->found[i].high == inits->found[index].high)
            return true; /* maybe of one object */
    return false;
}

/* ---- pieces ---- */

static bool is_like(const struct piece *a, const struct piece *b)
{
    return a->section == b->section && a->low == b->low && a->high == b->high;
}

/* Where each piece is expected: those that share all their places are taken to be spread evenly. */
static void expect(const struct pieces *pieces, uint32_t *ret)
{
    for (size_t first = 0, last; first < pieces->count; first = last + 1) {
        const struct piece *piece = &pieces->items[first];
        for (last = first; last + 1 < pieces->count && is_like(piece, &pieces->items[last + 1]);)
            last++;
        for (size_t i = first; i <= last; i++)
            ret[i] =
                piece->low + (uint32_t)((uint64_t)(piece->high - piece->low) * (i - first + 1) / (last - first + 2));
    }
}

/* The piece of .init.text that is most likely of the object, NULL if none can be. */
static struct piece *nearest(const struct restore *r, const struct init_object *object, const struct pieces *pieces,
                             const uint32_t *expected, const bool *is_taken)
{
    struct piece *best = NULL;
    uint32_t middle = object->low + (object->high - object->low) / 2, least = UINT32_MAX;
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *piece = &pieces->items[i];
        uint32_t distance = expected[i] < middle ? middle - expected[i] : expected[i] - middle;
        bool can_be = !is_taken[i] && piece->low <= object->high && piece->high >= object->low;
        if (can_be && distance < least && strcmp(section_at(r, piece->section)->name, ".init.text") == 0) {
            least = distance;
            best = piece;
        }
    }
    return best;
}

/* Whether this settles where the object ends. */
static bool meet(struct piece *piece, uint32_t low, uint32_t high, bool is_member)
{
    bool was_open = piece->low < piece->high;
    if (low >= piece->low) {
        piece->is_member = is_member || (low == piece->low && piece->is_member);
        piece->low = low;
    }
    if (high < piece->high)
        piece->high = high;
    return was_open && piece->low == piece->high;
}

/* Whether the place of a piece of .init.text is open. */
static bool is_open(const struct restore *r, const struct pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++)
        if (pieces->items[i].low < pieces->items[i].high &&
            strcmp(section_at(r, pieces->items[i].section)->name, ".init.text") == 0)
            return true;
    return false;
}

static size_t settle(struct inits *inits, const uint32_t *expected, bool *is_taken)
{
    size_t settled = 0;
    if (inits->count > 0)
        qsort(inits->found, inits->count, sizeof(*inits->found), by_certainty);
    for (size_t i = 0; i < inits->count; i++) {
        const struct init_object *object = &inits->found[i];
        struct piece *piece =
            is_repeated(inits, i) ? NULL : nearest(inits->r, object, inits->pieces, expected, is_taken);
        if (!piece)
            continue;
        is_taken[piece - inits->pieces->items] = true;
        settled += meet(piece, object->low, object->high, object->is_member);
        if (object->piece)
            settled += meet(object->piece, piece->low, piece->high, piece->is_member);
    }
    return settled;
}

size_t inits_narrow(struct restore *r, uint32_t text, const struct ends *ends, const struct ties *ties,
                    struct pieces *pieces)
{
    struct inits *inits = calloc(1, sizeof(*inits));
    bool *is_taken = calloc(pieces->count + 1, sizeof(*is_taken));
    uint32_t *expected = calloc(pieces->count + 1, sizeof(*expected));
    size_t settled = 0;
    bool ok = inits && is_taken && expected;
    if (ok) {
        inits->r = r;
        inits->text = text;
        inits->ends = ends;
        inits->ties = ties;
        inits->pieces = pieces;
        undone_find(inits);
        ok = !is_open(r, pieces) || leftovers_find(inits);
        expect(pieces, expected);
        settled = settle(inits, expected, is_taken);
    }
    r->out_of_memory |= !ok;
    free(inits);
    free(is_taken);
    free(expected);
    return settled;
}
