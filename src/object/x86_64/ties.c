#include "object/x86_64/ties.h"

#include <stdlib.h>

#include "base/array.h"

#define PLACE_BITS 48
#define ROUNDS_MAX 16 /* real modules take up to 6; stopping early only leaves bounds wider */

struct node {
    uint64_t key; /* line and place */
    struct bounds bounds;
};

struct tie {
    uint64_t keys[2];
    uint32_t nodes[2]; /* of both ends, once settled */
};

/* An end of a tie that is not on the base. */
struct mark {
    uint64_t key;
    uint32_t tie;
    uint32_t side;
};

struct ties {
    uint32_t base, count;
    struct tie *items;
    size_t item_count, item_capacity;
    struct node *nodes; /* first the places of the base; then all others that are tied, ascending by key, one a key */
    size_t node_count;
};

static uint64_t key_of(struct tie_end end)
{
    return (uint64_t)end.line << PLACE_BITS | (end.place & ((UINT64_C(1) << PLACE_BITS) - 1));
}

struct ties *ties_new(uint32_t base, uint32_t count)
{
    struct ties *ties = calloc(1, sizeof(*ties));
    if (ties) {
        ties->base = base;
        ties->count = count;
    }
    return ties;
}

void ties_free(struct ties *ties)
{
    if (!ties)
        return;
    free(ties->items);
    free(ties->nodes);
    free(ties);
}

bool ties_add(struct ties *ties, struct tie_end a, struct tie_end b)
{
    size_t count = ties->item_count;
    struct tie tie = {.keys = {key_of(a), key_of(b)}};
    if (count > 0 && ties->items[count - 1].keys[0] == tie.keys[0] && ties->items[count - 1].keys[1] == tie.keys[1])
        return true;
    if (count >= UINT32_MAX / 4 || !ARRAY_RESERVE(&ties->items, &ties->item_capacity, count))
        return false;
    ties->items[ties->item_count++] = tie;
    return true;
}

static void sort_by_byte(const struct mark *from, struct mark *to, size_t count, unsigned shift)
{
    size_t next[256] = {0};
    for (size_t i = 0; i < count; i++)
        next[from[i].key >> shift & 0xff]++;
    for (size_t byte = 0, start = 0, own; byte < 256; byte++, start += own) {
        own = next[byte];
        next[byte] = start;
    }
    for (size_t i = 0; i < count; i++)
        to[next[from[i].key >> shift & 0xff]++] = from[i];
}

/*
 * Sorts by key, byte by byte from the lowest: there are few bytes in which lines and places differ. `spare` has room
 * for as many. Returns which of the two holds the result.
 */
static struct mark *sort_marks(struct mark *marks, struct mark *spare, size_t count)
{
    uint64_t differing = 0;
    for (size_t i = 1; i < count; i++)
        differing |= marks[i].key ^ marks[0].key;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if ((differing >> shift & 0xff) == 0)
            continue;
        sort_by_byte(marks, spare, count, shift);
        struct mark *sorted = spare;
        spare = marks;
        marks = sorted;
    }
    return marks;
}

static void add_node(struct ties *ties, uint64_t key)
{
    ties->nodes[ties->node_count++] = (struct node){key, {0, ties->count}};
}

/* The ends of all ties that are not on the base. Fills in the nodes of the others. */
static size_t make_marks(struct ties *ties, struct mark *marks)
{
    uint64_t first = key_of((struct tie_end){ties->base, 0});
    size_t count = 0;
    for (size_t i = 0; i < ties->item_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            uint64_t key = ties->items[i].keys[side];
            if (key - first < ties->count)
                ties->items[i].nodes[side] = (uint32_t)(key - first);
            else
                marks[count++] = (struct mark){key, (uint32_t)i, side};
        }
    }
    return count;
}

static bool make_nodes(struct ties *ties)
{
    size_t most = ties->item_count * 2 + 1;
    struct mark *marks = calloc(most * 2, sizeof(*marks));
    ties->nodes = calloc(ties->item_count * 2 + ties->count + 1, sizeof(*ties->nodes));
    if (!marks || !ties->nodes) {
        free(marks);
        return false;
    }
    for (uint32_t i = 0; i < ties->count; i++)
        add_node(ties, key_of((struct tie_end){ties->base, i}));
    size_t count = make_marks(ties, marks);
    const struct mark *sorted = sort_marks(marks, marks + most, count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            add_node(ties, sorted[i].key);
        ties->items[sorted[i].tie].nodes[sorted[i].side] = (uint32_t)(ties->node_count - 1);
    }
    free(marks);
    return true;
}

static void widen(struct bounds *bounds, struct bounds other)
{
    bounds->low = other.low > bounds->low ? other.low : bounds->low;
    bounds->high = other.high < bounds->high ? other.high : bounds->high;
}

static bool is_same_line(const struct node *a, const struct node *b)
{
    return a->key >> PLACE_BITS == b->key >> PLACE_BITS;
}

/* What holds for a place holds for those behind it, or before it. */
static void pass_along(struct ties *ties)
{
    struct node *nodes = ties->nodes;
    for (size_t i = 1; i < ties->node_count; i++)
        if (is_same_line(&nodes[i - 1], &nodes[i]) && nodes[i - 1].bounds.low > nodes[i].bounds.low)
            nodes[i].bounds.low = nodes[i - 1].bounds.low;
    for (size_t i = ties->node_count; i-- > 1;)
        if (is_same_line(&nodes[i - 1], &nodes[i]) && nodes[i].bounds.high < nodes[i - 1].bounds.high)
            nodes[i - 1].bounds.high = nodes[i].bounds.high;
}

static bool pass_across(struct ties *ties)
{
    bool changed = false;
    for (size_t i = 0; i < ties->item_count; i++) {
        const uint32_t *nodes = ties->items[i].nodes;
        struct bounds *a = &ties->nodes[nodes[0]].bounds, *b = &ties->nodes[nodes[1]].bounds;
        changed |= a->low != b->low || a->high != b->high;
        widen(a, *b);
        *b = *a;
    }
    return changed;
}

bool ties_joined(const struct ties *ties, uint32_t place)
{
    if (place == 0 || place >= ties->count)
        return false;
    return ties->nodes[place - 1].bounds.low > place || ties->nodes[place].bounds.high < place;
}

/* Base places of one object know all of each other. */
static bool join_base(struct ties *ties)
{
    bool changed = false;
    for (uint32_t start = 0, end; start < ties->count; start = end) {
        struct bounds bounds = ties->nodes[start].bounds;
        for (end = start + 1; end < ties->count && ties_joined(ties, end); end++)
            widen(&bounds, ties->nodes[end].bounds);
        widen(&bounds, (struct bounds){end, start});
        for (uint32_t i = start; i < end; i++) {
            changed |= ties->nodes[i].bounds.low != bounds.low || ties->nodes[i].bounds.high != bounds.high;
            ties->nodes[i].bounds = bounds;
        }
    }
    return changed;
}

bool ties_settle(struct ties *ties)
{
    bool changed = make_nodes(ties);
    if (!changed)
        return false;
    for (int round = 0; round < ROUNDS_MAX && changed; round++) {
        pass_along(ties);
        changed = join_base(ties);
        changed |= pass_across(ties);
    }
    pass_along(ties);
    return true;
}

struct bounds ties_bounds(const struct ties *ties, struct tie_end end)
{
    uint64_t key = key_of(end);
    bool is_base = end.line == ties->base;
    size_t low = is_base ? 0 : ties->count, high = is_base ? ties->count : ties->node_count;
    const struct node *first = ties->nodes + low, *after = ties->nodes + high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ties->nodes[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    const struct node *node = ties->nodes + low;
    if (node < after && node->key == key)
        return node->bounds;
    struct bounds ret = {0, ties->count};
    if (node > first && node[-1].key >> PLACE_BITS == end.line)
        ret.low = node[-1].bounds.low;
    if (node < after && node->key >> PLACE_BITS == end.line)
        ret.high = node->bounds.high;
    return ret;
}
