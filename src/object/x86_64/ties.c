#include "object/x86_64/ties.h"

#include <stdlib.h>

#include "base/array.h"

#define PLACE_BITS 48
#define ROUNDS_MAX 16 /* real modules take up to 6; stopping early only leaves bounds wider */

struct node {
    uint64_t key; /* line and place */
    struct bounds bounds;
};

/* An end of a tie, or a base place. */
struct mark {
    uint64_t key;
    uint32_t end; /* place in ties.nodes_of, UINT32_MAX for a base place */
};

struct ties {
    uint32_t base, count;
    uint64_t *keys; /* of the two ends of each tie */
    size_t key_count, key_capacity;
    struct node *nodes; /* ascending by key, one a key */
    size_t node_count;
    struct node *first; /* of the base */
    uint32_t *nodes_of; /* by end */
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
    free(ties->keys);
    free(ties->nodes);
    free(ties->nodes_of);
    free(ties);
}

bool ties_add(struct ties *ties, struct tie_end a, struct tie_end b)
{
    size_t count = ties->key_count;
    if (count >= UINT32_MAX - 2 || !ARRAY_RESERVE(&ties->keys, &ties->key_capacity, count))
        return false;
    ties->keys[count] = key_of(a);
    if (!ARRAY_RESERVE(&ties->keys, &ties->key_capacity, count + 1))
        return false;
    ties->keys[count + 1] = key_of(b);
    ties->key_count = count + 2;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* All that is tied, and all of the base, in order; each only once. */
static void make_nodes(struct ties *ties, struct mark *marks)
{
    size_t count = 0;
    for (size_t i = 0; i < ties->key_count; i++)
        marks[count++] = (struct mark){ties->keys[i], (uint32_t)i};
    for (uint32_t i = 0; i < ties->count; i++)
        marks[count++] = (struct mark){key_of((struct tie_end){ties->base, i}), UINT32_MAX};
    qsort(marks, count, sizeof(*marks), by_key);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || marks[i].key != marks[i - 1].key)
            ties->nodes[ties->node_count++] = (struct node){marks[i].key, {0, ties->count}};
        struct node *node = &ties->nodes[ties->node_count - 1];
        if (marks[i].end != UINT32_MAX)
            ties->nodes_of[marks[i].end] = (uint32_t)(ties->node_count - 1);
        else if (!ties->first)
            ties->first = node;
    }
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
    for (size_t i = 0; i < ties->key_count; i += 2) {
        struct bounds *a = &ties->nodes[ties->nodes_of[i]].bounds, *b = &ties->nodes[ties->nodes_of[i + 1]].bounds;
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
    return ties->first[place - 1].bounds.low > place || ties->first[place].bounds.high < place;
}

/* Base places of one object know all of each other. */
static bool join_base(struct ties *ties)
{
    bool changed = false;
    for (uint32_t start = 0, end; start < ties->count; start = end) {
        struct bounds bounds = ties->first[start].bounds;
        for (end = start + 1; end < ties->count && ties_joined(ties, end); end++)
            widen(&bounds, ties->first[end].bounds);
        widen(&bounds, (struct bounds){end, start});
        for (uint32_t i = start; i < end; i++) {
            changed |= ties->first[i].bounds.low != bounds.low || ties->first[i].bounds.high != bounds.high;
            ties->first[i].bounds = bounds;
        }
    }
    return changed;
}

bool ties_settle(struct ties *ties)
{
    size_t most = ties->key_count + ties->count + 1;
    struct mark *marks = calloc(most, sizeof(*marks));
    ties->nodes = calloc(most, sizeof(*ties->nodes));
    ties->nodes_of = calloc(ties->key_count + 1, sizeof(*ties->nodes_of));
    bool changed = marks && ties->nodes && ties->nodes_of;
    if (!changed) {
        free(marks);
        return false;
    }
    make_nodes(ties, marks);
    free(marks);
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
    size_t low = 0, high = ties->node_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ties->nodes[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < ties->node_count && ties->nodes[low].key == key)
        return ties->nodes[low].bounds;
    struct bounds ret = {0, ties->count};
    if (low > 0 && ties->nodes[low - 1].key >> PLACE_BITS == end.line)
        ret.low = ties->nodes[low - 1].bounds.low;
    if (low < ties->node_count && ties->nodes[low].key >> PLACE_BITS == end.line)
        ret.high = ties->nodes[low].bounds.high;
    return ret;
}
