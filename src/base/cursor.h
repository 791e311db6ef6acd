/*
 * cursor.h - reads numbers out of a byte buffer without ever leaving it.
 *
 * A read past the end returns 0 and sets `overrun`, which stays set: check it once after a run of reads.
 */
#ifndef LKMFS_BASE_CURSOR_H
#define LKMFS_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
    const uint8_t *bytes;
    size_t size;
    size_t pos;
    bool overrun;
};

/* Little-endian words at `bytes`, for callers that know the bytes are there. */
static inline uint16_t le16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static inline uint32_t le32(const uint8_t *bytes)
{
    return (uint32_t)le16(bytes) | (uint32_t)le16(bytes + 2) << 16;
}

static inline uint64_t le64(const uint8_t *bytes)
{
    return (uint64_t)le32(bytes) | (uint64_t)le32(bytes + 4) << 32;
}

static inline void put_le16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static inline void put_le32(uint8_t *bytes, uint32_t value)
{
    put_le16(bytes, (uint16_t)value);
    put_le16(bytes + 2, (uint16_t)(value >> 16));
}

static inline void put_le64(uint8_t *bytes, uint64_t value)
{
    put_le32(bytes, (uint32_t)value);
    put_le32(bytes + 4, (uint32_t)(value >> 32));
}

static inline struct cursor cursor_over(const void *bytes, size_t size)
{
    return (struct cursor){.bytes = bytes, .size = size};
}

/* The next `size` bytes, or NULL (and overrun) when fewer are left. */
static inline const uint8_t *cursor_bytes(struct cursor *cursor, size_t size)
{
    if (cursor->overrun || size > cursor->size - cursor->pos) {
        cursor->overrun = true;
        return NULL;
    }
    const uint8_t *bytes = cursor->bytes + cursor->pos;
    cursor->pos += size;
    return bytes;
}

static inline void cursor_skip(struct cursor *cursor, size_t size)
{
    (void)cursor_bytes(cursor, size);
}

static inline void cursor_seek(struct cursor *cursor, size_t pos)
{
    if (pos > cursor->size)
        cursor->overrun = true;
    else
        cursor->pos = pos;
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *b = cursor_bytes(cursor, 1);
    return b ? *b : 0;
}

static inline uint16_t cursor_u16(struct cursor *cursor)
{
    const uint8_t *b = cursor_bytes(cursor, 2);
    return b ? le16(b) : 0;
}

static inline uint32_t cursor_u32(struct cursor *cursor)
{
    const uint8_t *b = cursor_bytes(cursor, 4);
    return b ? le32(b) : 0;
}

static inline uint64_t cursor_u64(struct cursor *cursor)
{
    const uint8_t *b = cursor_bytes(cursor, 8);
    return b ? le64(b) : 0;
}

static inline uint32_t cursor_u32be(struct cursor *cursor)
{
    return __builtin_bswap32(cursor_u32(cursor));
}

static inline uint64_t cursor_u64be(struct cursor *cursor)
{
    return __builtin_bswap64(cursor_u64(cursor));
}

#endif
