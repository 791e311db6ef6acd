/*
 * array.h - growing arrays: the one place that computes and checks their size in bytes.
 */
#ifndef LKMFS_BASE_ARRAY_H
#define LKMFS_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes room for one more element in a malloc'd array: `*items` has room for `*capacity` elements of `element` bytes,
 * of which `count` are used. New room is not cleared. False (array unchanged) without memory.
 */
bool array_reserve(void **items, size_t *capacity, size_t count, size_t element);

/* array_reserve() for a typed pointer: ARRAY_RESERVE(&list, &capacity, count). */
#define ARRAY_RESERVE(items, capacity, count) array_reserve((void **)(items), (capacity), (count), sizeof(**(items)))

#endif
