/*
 * zeros.h - telling memory that is empty, or missing from the image.
 */
#ifndef LKMFS_BASE_ZEROS_H
#define LKMFS_BASE_ZEROS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether all of `size` bytes are zero; true for none. */
static inline bool is_all_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

#endif
