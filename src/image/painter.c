#include "image/painter.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/overflow.h"

/* The strokes that cover the place where the sweep is, the latest at the top: a binary heap of indices. */
struct heap {
    size_t *items; /* has room for all strokes */
    size_t count;
};

struct sweep {
    const struct stroke *strokes;
    struct heap heap;
    struct painted *parts;
    size_t count, capacity;
};

void painter_destroy(struct painter *painter)
{
    free(painter->strokes);
    *painter = (struct painter){0};
}

bool painter_add(struct painter *painter, uint64_t start, uint64_t size, uint64_t source)
{
    if (size == 0)
        return true;
    if (!ARRAY_RESERVE(&painter->strokes, &painter->capacity, painter->count))
        return false;
    painter->strokes[painter->count] =
        (struct stroke){.part = {.start = start, .size = size, .source = source}, .turn = painter->count};
    painter->count++;
    return true;
}

static int stroke_compare(const void *left, const void *right)
{
    const struct stroke *a = left;
    const struct stroke *b = right;
    return (a->part.start > b->part.start) - (a->part.start < b->part.start);
}

static bool is_later(const struct sweep *sweep, size_t a, size_t b)
{
    return sweep->strokes[sweep->heap.items[a]].turn > sweep->strokes[sweep->heap.items[b]].turn;
}

static void heap_swap(struct heap *heap, size_t a, size_t b)
{
    size_t item = heap->items[a];
    heap->items[a] = heap->items[b];
    heap->items[b] = item;
}

static void heap_push(struct sweep *sweep, size_t stroke)
{
    struct heap *heap = &sweep->heap;
    size_t at = heap->count++;
    heap->items[at] = stroke;
    for (; at > 0 && is_later(sweep, at, (at - 1) / 2); at = (at - 1) / 2)
        heap_swap(heap, at, (at - 1) / 2);
}

static void heap_pop(struct sweep *sweep)
{
    struct heap *heap = &sweep->heap;
    heap->items[0] = heap->items[--heap->count];
    for (size_t at = 0; 2 * at + 1 < heap->count;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->count && is_later(sweep, child + 1, child))
            child++;
        if (!is_later(sweep, child, at))
            break;
        heap_swap(heap, at, child);
        at = child;
    }
}

/* Adds [from, to) of a stroke, to the last part if it goes on. False without memory. */
static bool sweep_emit(struct sweep *sweep, const struct painted *stroke, uint64_t from, uint64_t to)
{
    uint64_t source = stroke->source + (from - stroke->start);
    struct painted *last = sweep->count ? &sweep->parts[sweep->count - 1] : NULL;
    if (last && last->start + last->size == from && last->source + last->size == source) {
        last->size += to - from;
        return true;
    }
    if (!ARRAY_RESERVE(&sweep->parts, &sweep->capacity, sweep->count))
        return false;
    sweep->parts[sweep->count++] = (struct painted){.start = from, .size = to - from, .source = source};
    return true;
}

static bool sweep_run(struct sweep *sweep, size_t count)
{
    const struct stroke *strokes = sweep->strokes;
    uint64_t at = 0;
    size_t next = 0;

    while (sweep->heap.count || next < count) {
        if (sweep->heap.count == 0)
            at = strokes[next].part.start;
        while (next < count && strokes[next].part.start == at)
            heap_push(sweep, next++);
        const struct painted *top = &strokes[sweep->heap.items[0]].part;
        if (top->start + top->size <= at) {
            heap_pop(sweep);
            continue;
        }
        uint64_t to = top->start + top->size;
        if (next < count)
            to = min_u64(to, strokes[next].part.start);
        if (!sweep_emit(sweep, top, at, to))
            return false;
        at = to;
    }
    return true;
}

bool painter_finish(struct painter *painter, struct painted **ret, size_t *count)
{
    struct sweep sweep = {.strokes = painter->strokes};
    *ret = NULL;
    *count = 0;
    if (painter->count == 0)
        return true;
    sweep.heap.items = calloc(painter->count, sizeof(*sweep.heap.items));
    if (!sweep.heap.items)
        return false;
    qsort(painter->strokes, painter->count, sizeof(*painter->strokes), stroke_compare);
    bool done = sweep_run(&sweep, painter->count);
    free(sweep.heap.items);
    if (!done) {
        free(sweep.parts);
        return false;
    }
    *ret = sweep.parts;
    *count = sweep.count;
    return true;
}

size_t painted_find(const struct painted *parts, size_t count, uint64_t at)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (parts[middle].start + parts[middle].size <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
