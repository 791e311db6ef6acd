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

bool patchable_read(struct restore *r, struct patchable *ret)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, "__patchable_function_entries", &index);
    *ret = (struct patchable){.count = table ? table->size / 8 : 0};
    if (!table || ret->count == 0)
        return false;
    ret->sorted = calloc(ret->count, sizeof(*ret->sorted));
    if (!ret->sorted) {
        r->out_of_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < ret->count; i++)
        ret->sorted[i] = (struct entry_place){le64(table->data + (uint64_t)i * 8), i, i};
    qsort(ret->sorted, ret->count, sizeof(*ret->sorted), by_place);
    return true;
}

uint32_t patchable_position(const struct patchable *patchable, uint64_t address)
{
    size_t low = 0, high = patchable->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (patchable->sorted[middle].group <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? patchable->sorted[low - 1].index : 0;
}

uint64_t split_parent(const struct restore *r, uint64_t address)
{
    size_t next = place_from(r->places, r->place_count, address + 1);
    const char *name = next ? r->draft->symbols[r->places[next - 1].symbol].name : "";
    const char *suffix = strstr(name, ".cold");
    for (size_t i = 0; suffix && i < r->place_count; i++) {
        const char *other = r->draft->symbols[r->places[i].symbol].name;
        if (strncmp(other, name, (size_t)(suffix - name)) == 0 && other[suffix - name] == '\0')
            return r->places[i].address;
    }
    return address;
}
