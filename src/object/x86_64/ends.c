#include "object/x86_64/ends.h"

#include <stdlib.h>

bool ends_init(struct ends *ends, uint32_t count)
{
    size_t gaps = (size_t)count + 1;
    *ends = (struct ends){.count = count,
                          .can = malloc(gaps * sizeof(bool)),
                          .does = calloc(gaps, sizeof(bool)),
                          .next_can = calloc(gaps, sizeof(uint32_t)),
                          .last_can = calloc(gaps, sizeof(uint32_t)),
                          .next_does = calloc(gaps, sizeof(uint32_t)),
                          .until = calloc(gaps, sizeof(uint32_t)),
                          .next_by = calloc(gaps, sizeof(uint32_t))};
    if (!ends->can || !ends->does || !ends->next_can || !ends->last_can || !ends->next_does || !ends->until ||
        !ends->next_by)
        return false;
    for (size_t gap = 0; gap < gaps; gap++) {
        ends->can[gap] = true;
        ends->until[gap] = count;
    }
    ends->does[0] = ends->does[count] = true;
    return true;
}

void ends_free(struct ends *ends)
{
    free(ends->can);
    free(ends->does);
    free(ends->next_can);
    free(ends->last_can);
    free(ends->next_does);
    free(ends->until);
    free(ends->next_by);
}

void ends_between(struct ends *ends, uint32_t first, uint32_t last)
{
    if (first <= last && last < ends->until[first])
        ends->until[first] = last;
}

void ends_index(struct ends *ends)
{
    uint32_t last_can = 0, next_can = ends->count, next_does = ends->count, next_by = ends->count;
    for (uint32_t gap = 0; gap <= ends->count; gap++) {
        last_can = ends->can[gap] ? gap : last_can;
        ends->last_can[gap] = last_can;
    }
    for (uint32_t gap = ends->count + 1; gap-- > 0;) {
        next_can = ends->can[gap] ? gap : next_can;
        ends->next_can[gap] = next_can;
        ends->does[next_can] |= next_can == ends->last_can[ends->until[gap]];
    }
    for (uint32_t gap = ends->count + 1; gap-- > 0;) {
        uint32_t last = ends->last_can[ends->until[gap]];
        next_does = ends->does[gap] ? gap : next_does;
        if (ends->does[gap] || (last >= gap && last < next_by))
            next_by = ends->does[gap] ? gap : last;
        ends->next_does[gap] = next_does;
        ends->next_by[gap] = next_by;
    }
}

bool ends_are_many(const struct ends *ends)
{
    return ends->count > 0 && ends->next_by[1] < ends->count;
}
