/*
 * order.c - the order on disk of tables that the loader sorts (RECONSTRUCT.md section 7). Per target section the
 * entries ascend on disk; how the sections' runs are interleaved is inferred: section by section where objtool wrote
 * the table for the whole module, object by object (objects.h) where it ran on objects, or the compiler wrote it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/tables.h"

static int by_place(const void *a, const void *b)
{
    const struct entry_place *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

uint32_t *order_entries(struct entry_place *places, size_t count)
{
    bool is_same = true;
    uint32_t *order = malloc(count * sizeof(*order));
    if (!order)
        return NULL;
    qsort(places, count, sizeof(*places), by_place);
    for (size_t i = 0; i < count; i++) {
        order[i] = places[i].index;
        is_same &= places[i].index == i;
    }
    if (!is_same)
        return order;
    free(order);
    return NULL;
}
