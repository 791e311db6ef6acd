/*
 * hash.h - hashing of names that an image may have chosen.
 *
 * The seed differs from run to run, so that no image can be made whose names all fall into one slot of a table. Nothing
 * that is shown may depend on the order of slots.
 */
#ifndef LKMFS_BASE_HASH_H
#define LKMFS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_seed(void);

/* FNV-1a, its bits mixed once more. */
static inline size_t hash_name(const char *name, uint64_t seed)
{
    uint64_t hash = seed;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    return (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 16);
}

#endif
