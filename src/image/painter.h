/*
 * painter.h - strokes that were painted one over the other: what is to be seen in the end.
 */
#ifndef LKMFS_IMAGE_PAINTER_H
#define LKMFS_IMAGE_PAINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part that is seen: ascending, not overlapping. */
struct painted {
    uint64_t start, size;
    uint64_t source; /* where it comes from, moved on as `start` was */
};

struct stroke {
    struct painted part;
    size_t turn; /* a later one covers an earlier one */
};

/* Start with {0}. */
struct painter {
    struct stroke *strokes;
    size_t count, capacity;
};

void painter_destroy(struct painter *painter);

/* Paints over all that was before; start + size must not overflow. Nothing when size is 0. False without memory. */
bool painter_add(struct painter *painter, uint64_t start, uint64_t size, uint64_t source);

/* What is seen, malloc'd. False without memory. */
bool painter_finish(struct painter *painter, struct painted **ret, size_t *count);

/* Index of the first part that ends above `at`; count if there is none. */
size_t painted_find(const struct painted *parts, size_t count, uint64_t at);

#endif
