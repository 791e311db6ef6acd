/*
 * line.h - places in a row that are bound to each other: all between two bound places is bound to both.
 */
#ifndef LKMFS_OBJECT_X86_64_LINE_H
#define LKMFS_OBJECT_X86_64_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
    size_t count;
    int32_t *bridges; /* change in the number of bindings that span the gap before a place */
    uint32_t *group;  /* of each place, by line_group() */
    uint32_t groups;
};

bool line_init(struct line *line, size_t count);
void line_free(struct line *line);

/* Binds two places and all between them. */
void line_bind(struct line *line, size_t first, size_t last);

/* Numbers the groups of bound places; true when that changed their number. */
bool line_group(struct line *line);

#endif
