/*
 * order.c - the order on disk of tables that the loader sorts (RECONSTRUCT.md section 7). Per target section the
 * entries ascend on disk; how the sections' runs are interleaved is inferred.
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

bool order_like_patchable(struct restore *r, const struct draft_section *table, struct entry_place *places,
                          size_t count)
{
    uint32_t index;
    const struct draft_section *entries = section_named(r, "__patchable_function_entries", &index);
    size_t entry_count = entries ? entries->size / 8 : 0;
    struct entry_place *sorted = calloc(entry_count + 1, sizeof(*sorted));
    if (!sorted || entry_count == 0) {
        r->out_of_memory |= !sorted;
        free(sorted);
        return false;
    }
    for (uint32_t i = 0; i < entry_count; i++)
        sorted[i] = (struct entry_place){le64(entries->data + (uint64_t)i * 8), i, i};
    qsort(sorted, entry_count, sizeof(*sorted), by_place);
    size_t next = 0;
    for (uint32_t i = 0; i < count; i++) { /* the table ascends: one walk over both */
        uint64_t place = le64(table->data + (uint64_t)i * 8);
        while (next < entry_count && sorted[next].group <= place)
            next++;
        places[i] = (struct entry_place){next ? sorted[next - 1].index : 0, i, i};
    }
    free(sorted);
    return true;
}
