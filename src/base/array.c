#include "base/array.h"

#include <stdlib.h>

bool array_reserve(void **items, size_t *capacity, size_t count, size_t element)
{
    if (count < *capacity)
        return true;
    size_t grown = *capacity ? *capacity * 2 : 16;
    if (grown <= *capacity)
        return false;
    void *moved = reallocarray(*items, grown, element);
    if (!moved)
        return false;
    *items = moved;
    *capacity = grown;
    return true;
}
