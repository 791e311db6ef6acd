/*
 * arena.h - memory that is given back all at once: many small pieces of one owner.
 */
#ifndef LKMFS_BASE_ARENA_H
#define LKMFS_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    struct arena_block *blocks;
    size_t used; /* bytes given out */
    bool failed; /* an allocation failed; stays set */
};

/* `size` zeroed bytes, aligned for any type; NULL (and arena->failed) without memory. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` zeroed elements of `size` bytes, overflow-checked. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* Copies of a string, or of `size` bytes with a NUL appended; NULL without memory. */
char *arena_string(struct arena *arena, const char *text);
char *arena_copy(struct arena *arena, const void *bytes, size_t size);

char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees everything; the arena can be used again. */
void arena_release(struct arena *arena);

#endif
