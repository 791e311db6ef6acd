/*
 * references.h - the objects that each function refers to.
 */
#ifndef LKMFS_OBJECT_X86_64_REFERENCES_H
#define LKMFS_OBJECT_X86_64_REFERENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Function `function` of part `part` refers to the symbols `first` to `last` (units.h), which lie at `address`. */
struct reference {
    uint32_t part, function;
    uint32_t first, last;
    bool is_kept;
    uint64_t address, end; /* of the largest of these objects */
};

struct references {
    struct reference *items;
    size_t count, capacity;
};

/* False without memory. */
bool references_add(struct references *references, const struct reference *reference);

/*
 * Drops those that are not to be kept, and those that may be no more than the end of an array: functions that loop over
 * one take its end's address too, and something else may begin there.
 */
void references_drop_ends(struct references *references);

void references_free(struct references *references);

#endif
