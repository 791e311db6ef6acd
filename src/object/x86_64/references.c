#include "object/x86_64/references.h"

#include <stdlib.h>

#include "base/array.h"

bool references_add(struct references *references, const struct reference *reference)
{
    if (!ARRAY_RESERVE(&references->items, &references->capacity, references->count))
        return false;
    references->items[references->count++] = *reference;
    return true;
}

void references_free(struct references *references)
{
    free(references->items);
    *references = (struct references){0};
}

static int compare(const struct reference *a, uint32_t part, uint32_t function, uint64_t address)
{
    if (a->part != part)
        return a->part < part ? -1 : 1;
    if (a->function != function)
        return a->function < function ? -1 : 1;
    return a->address < address ? -1 : a->address > address;
}

static int by_function(const void *a, const void *b)
{
    const struct reference *y = b;
    return compare(a, y->part, y->function, y->address);
}

/* The first reference of a function to `address` or what is above it. */
static size_t find(const struct references *references, const struct reference *of, uint64_t address)
{
    size_t low = 0, high = references->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&references->items[middle], of->part, of->function, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Only the first reference to each object is needed. */
static void drop_repeated(struct references *references)
{
    size_t count = 0;
    for (size_t i = 0; i < references->count; i++)
        if (count == 0 || by_function(&references->items[count - 1], &references->items[i]) != 0)
            references->items[count++] = references->items[i];
    references->count = count;
}

void references_drop_ends(struct references *references)
{
    struct reference *items = references->items;
    size_t count = 0;
    if (references->count == 0)
        return;
    qsort(items, references->count, sizeof(*items), by_function);
    drop_repeated(references);
    for (size_t i = 0; i < references->count; i++) {
        size_t end = find(references, &items[i], items[i].end);
        bool is_met =
            end < references->count && compare(&items[end], items[i].part, items[i].function, items[i].end) == 0;
        if (is_met)
            items[end].is_kept = false;
    }
    for (size_t i = 0; i < references->count; i++)
        if (items[i].is_kept)
            items[count++] = items[i];
    references->count = count;
}
