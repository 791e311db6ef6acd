#include "object/x86_64/objects.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "object/x86_64/apart.h"
#include "object/x86_64/ends.h"
#include "object/x86_64/inits.h"
#include "object/x86_64/kin.h"
#include "object/x86_64/pieces.h"

#define ROUNDS       4
#define ROW_MAX      64
#define SECTIONS_MAX 64 /* after the choices of which all is narrowed again */

struct objects {
    struct restore *r;
    uint32_t text;
    struct ties *ties; /* while it is built */
    struct ends ends;
    struct pieces pieces;
    struct piece *init, *exit; /* with the functions that the module begins and ends with; NULL where it has none */
    size_t likely;
    bool is_proof; /* where a piece lies, its object ends; not once places are chosen by too little */
};

/* ---- bounds ---- */

static void raise_low(const struct objects *objects, struct piece *piece, uint32_t low)
{
    low = low > objects->ends.count ? objects->ends.count : objects->ends.next_can[low];
    if (low > piece->low && low <= piece->high) {
        piece->low = low;
        piece->is_member = false;
    }
}

static void lower_high(const struct objects *objects, struct piece *piece, uint32_t high)
{
    high = objects->ends.last_can[high > objects->ends.count ? objects->ends.count : high];
    if (high < piece->high && high >= piece->low)
        piece->high = high;
}

static void bound_by_ties(struct objects *objects, const struct ties *ties)
{
    for (size_t i = 0; i < objects->pieces.count; i++) {
        struct piece *piece = &objects->pieces.items[i];
        struct tie_end first = units_end(objects->r->units, piece->section, piece->start);
        struct tie_end last = units_end(objects->r->units, piece->section, piece->end - 1);
        struct bounds bounds = {ties_bounds(ties, last).low, ties_bounds(ties, first).high};
        raise_low(objects, piece, bounds.low);
        piece->is_member = bounds.high < bounds.low;
        if (bounds.high < objects->ends.count)
            lower_high(objects, piece, objects->ends.next_by[bounds.high + 1]);
        if (piece->is_apart && piece_has_before(&objects->pieces, i))
            lower_high(objects, piece - 1, bounds.high);
    }
}

/*
 * objtool lists the returns of an object section by section, .text first: code of other sections is of an earlier
 * object than the next return in .text.
 */
static void bound_by_returns(struct objects *objects)
{
    uint32_t index, next = objects->ends.count;
    const struct draft_section *table = section_named(objects->r, ".return_sites", &index);
    for (uint64_t end = table ? table->size / 4 * 4 : 0; end >= 4; end -= 4) {
        uint64_t at = end - 4, address = table->address + at + (uint64_t)(int64_t)(int32_t)le32(table->data + at);
        struct target target;
        if (!target_find(objects->r, address, 0, TARGET_TABLE | TARGET_LABEL, &target))
            continue;
        struct piece *piece = pieces_at(&objects->pieces, target.section, target.offset);
        if (target.section == objects->text)
            next = (uint32_t)units_end(objects->r->units, objects->text, target.offset).place;
        else if (piece)
            lower_high(objects, piece, next);
    }
}

/* ---- narrowing ---- */

static void share(const struct objects *objects, struct piece *a, struct piece *b)
{
    raise_low(objects, a, b->low);
    raise_low(objects, b, a->low);
    lower_high(objects, a, b->high);
    lower_high(objects, b, a->high);
}

/* The pieces of a section are of one object after the other. */
static void narrow_once(struct objects *objects)
{
    struct piece *items = objects->pieces.items;
    struct ends *ends = &objects->ends;
    ends_index(ends);
    for (size_t i = 1; i < objects->pieces.count; i++)
        if (piece_has_before(&objects->pieces, i))
            raise_low(objects, &items[i], items[i - 1].low + items[i].is_apart);
    for (size_t i = objects->pieces.count; i-- > 0;) {
        if (i + 1 < objects->pieces.count && piece_has_before(&objects->pieces, i + 1) && items[i + 1].high > 0)
            lower_high(objects, &items[i], items[i + 1].high - items[i + 1].is_apart);
        if (items[i].is_member)
            lower_high(objects, &items[i], ends->next_by[items[i].low]);
        if (items[i].low == items[i].high && objects->is_proof)
            ends->does[items[i].low] = true;
    }
    if (objects->init && objects->exit)
        share(objects, objects->init, objects->exit);
}

static void narrow(struct objects *objects)
{
    for (int round = 0; round < ROUNDS; round++)
        narrow_once(objects);
    ends_index(&objects->ends);
}

/* ---- choosing ---- */

/*
 * Of 1000 objects that may end before a block of functions that are of one object with each other, but tied to nothing
 * else, so many do: by the number of functions, and whether an object is known to end behind the block. A function that
 * stands alone is mostly of the object before; a large block is an object of its own.
 * Measured on all modules of Debian's 5.10 and 6.1, which agree within 50.
 */
static unsigned chance_of_end(uint32_t functions, bool is_end_behind)
{
    static const uint16_t chances[2][4] = {{250, 250, 450, 770}, {80, 170, 500, 870}};
    return functions >= 8 ? 950 : chances[is_end_behind][functions > 4 ? 3 : functions - 1];
}

/*
 * The gap where most is right when nothing decides. Where nothing tells objects apart there is one object. Where
 * nothing of the object's .text is known, it is an end in the middle, or where the piece is the first of a row of `row`
 * such ones, behind an equal part. Otherwise it is the one before which half of the objects would end.
 */
static uint32_t likeliest(const struct objects *objects, const struct piece *piece, uint32_t row, bool are_many)
{
    const struct ends *ends = &objects->ends;
    if (!are_many)
        return piece->high;
    if (!piece->is_member) {
        const uint32_t *next = objects->r->context->shapes.objtool_per_object ? ends->next_does : ends->next_can;
        uint32_t middle = next[piece->low + (piece->high - piece->low + 1) / (row + 1)];
        return middle < piece->high ? middle : piece->high;
    }
    unsigned left = 1000; /* of 1000 objects, those that go on */
    for (uint32_t gap = piece->low, next; gap < piece->high; gap = next) {
        next = ends->next_can[gap + 1];
        left = left * (1000 - chance_of_end(next - gap, ends->does[next])) / 1000;
        if (left < 500)
            return gap;
    }
    return piece->high;
}

/* How many pieces from number `index` on may share each other's places. */
static uint32_t row_from(const struct objects *objects, size_t index)
{
    const struct piece *piece = &objects->pieces.items[index];
    uint32_t count = 1;
    for (size_t i = index + 1; i < objects->pieces.count && count < ROW_MAX && piece_has_before(&objects->pieces, i);
         i++, count++)
        if (piece[count].low == piece[count].high || piece[count].low >= piece->high || piece[count].is_member)
            break;
    return count;
}

static void choose(struct objects *objects)
{
    bool are_many = ends_are_many(&objects->ends) || !objects->r->context->shapes.objtool_per_object;
    size_t sections = 0;
    for (size_t i = 0; i < objects->pieces.count; i++) {
        struct piece *piece = &objects->pieces.items[i];
        if (piece_has_before(&objects->pieces, i))
            raise_low(objects, piece, piece[-1].low + piece->is_apart);
        else if (sections++ < SECTIONS_MAX)
            narrow(objects);
        if (piece->low == piece->high)
            continue;
        piece->low = piece->high = likeliest(objects, piece, row_from(objects, i), are_many);
        objects->ends.does[piece->low] |= objects->is_proof;
        objects->likely++;
    }
    ends_index(&objects->ends);
}

/* ---- all together ---- */

static struct piece *piece_of_hook(struct objects *objects, bool is_exit)
{
    struct target target;
    if (!kin_hook(objects->r, is_exit, &target))
        return NULL;
    return pieces_at(&objects->pieces, target.section, target.offset);
}

/* Whether function number `function` of .text is the room before the next one. */
static bool is_padding(const struct objects *objects, uint32_t function)
{
    const struct restore *r = objects->r;
    size_t count;
    const uint64_t *starts = units_functions(r->units, objects->text, &count);
    uint64_t address = section_at(r, objects->text)->address + starts[function];
    size_t place = place_from(r->places, r->place_count, address);
    return place < r->place_count && r->places[place].address == address &&
           has_prefix(r->draft->symbols[r->places[place].symbol].name, "__pfx_");
}

static bool bound(struct objects *objects)
{
    struct ends *ends = &objects->ends;
    struct ties *ties = objects->ties = kin_ties(objects->r, objects->text, ends->count);
    if (!ties)
        return false;
    for (uint32_t gap = 1; gap < ends->count; gap++) {
        ends->can[gap] = !ties_joined(ties, gap) && !is_padding(objects, gap - 1);
        ends->does[gap] = ends->can[gap] && units_begins(objects->r->units, objects->text, gap);
    }
    bool ok = apart_tell(objects->r, ties, ends);
    ends_index(ends);
    bound_by_ties(objects, ties);
    if (objects->r->context->shapes.objtool_per_object)
        bound_by_returns(objects);
    return ok;
}

struct objects *objects_new(struct restore *r)
{
    struct unwind unwind = {0};
    size_t count = 0;
    uint32_t text;
    bool by_function = !r->context->shapes.objtool_per_object;
    if (!r->units || !section_named(r, ".text", &text) || !units_are_named(r->units, text) ||
        (!by_function && !unwind_read(r, &unwind)))
        return NULL;
    units_functions(r->units, text, &count);
    struct objects *objects = calloc(1, sizeof(*objects));
    if (objects)
        *objects = (struct objects){.r = r, .text = text, .is_proof = true};
    bool ok = objects && ends_init(&objects->ends, (uint32_t)count) &&
              (by_function ? pieces_of_functions(r, text, (uint32_t)count, &objects->pieces)
                           : pieces_find(r, text, (uint32_t)count, &unwind, &objects->pieces));
    bool has_pieces = ok && objects->pieces.count > 0; /* without any all is in order */
    if (!ok || !has_pieces || !bound(objects)) {
        r->out_of_memory |= !ok || has_pieces;
        objects_free(objects);
        objects = NULL;
    } else {
        if (!by_function)
            pieces_join(&objects->pieces);
        objects->init = piece_of_hook(objects, false);
        objects->exit = piece_of_hook(objects, true);
        narrow(objects);
        objects->is_proof = !by_function;
        objects->likely = inits_narrow(r, text, &objects->ends, objects->ties, &objects->pieces);
        choose(objects);
        ties_free(objects->ties);
        objects->ties = NULL;
    }
    free(unwind.entries);
    return objects;
}

void objects_free(struct objects *objects)
{
    if (!objects)
        return;
    ties_free(objects->ties);
    ends_free(&objects->ends);
    free(objects->pieces.items);
    free(objects);
}

/* The gap behind the function around `offset`, or behind the object where that is of another section than .text. */
static uint32_t gap_behind(const struct objects *objects, uint32_t index, uint64_t offset, bool *is_text)
{
    *is_text = index == objects->text && is_same_part(objects->r, index, offset, 0);
    if (*is_text)
        return (uint32_t)units_end(objects->r->units, index, offset).place + 1;
    const struct piece *piece = pieces_at(&objects->pieces, index, offset);
    return piece ? piece->low : objects->ends.count;
}

uint64_t objects_rank(const struct objects *objects, uint32_t index, uint64_t offset)
{
    bool is_text;
    uint64_t gap = gap_behind(objects, index, offset, &is_text);
    return gap << 32 | (is_text ? 0 : index + 1);
}

uint32_t objects_end(const struct objects *objects, uint32_t index, uint64_t offset)
{
    bool is_text;
    uint32_t gap = gap_behind(objects, index, offset, &is_text);
    return is_text && gap < objects->ends.count ? objects->ends.next_does[gap] : gap;
}

enum kinship objects_compare(const struct objects *objects, uint32_t index, uint64_t a, uint64_t b)
{
    const struct ends *ends = &objects->ends;
    if (index != objects->text || !is_same_part(objects->r, index, a, 0) || !is_same_part(objects->r, index, b, 0))
        return KIN_UNKNOWN;
    uint64_t x = units_end(objects->r->units, index, a).place, y = units_end(objects->r->units, index, b).place;
    uint64_t first = x < y ? x : y, last = x < y ? y : x;
    if (first == last || ends->next_can[first + 1] > last)
        return KIN_SAME;
    return ends->next_does[first + 1] <= last ? KIN_OTHER : KIN_UNKNOWN;
}

size_t objects_pieces(const struct objects *objects, size_t *likely)
{
    *likely = objects->likely;
    return objects->pieces.count;
}
