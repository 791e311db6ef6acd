/*
 * overflow.h - sums and products of numbers that an image may have made up. Each returns false on overflow.
 */
#ifndef LKMFS_BASE_OVERFLOW_H
#define LKMFS_BASE_OVERFLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool add_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

static inline bool mul_u64(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* True when [offset, offset + size) lies inside [0, limit). */
static inline bool range_fits(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* `value` rounded up to a multiple of `align`, a power of two; UINT64_MAX when that overflows. */
static inline uint64_t align_up(uint64_t value, uint64_t align)
{
    uint64_t sum;
    return add_u64(value, align - 1, &sum) ? sum & ~(align - 1) : UINT64_MAX;
}

#endif
