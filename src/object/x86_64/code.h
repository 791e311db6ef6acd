/*
 * code.h - the parts of the sweep over code (code.c): jumps that are decided last.
 */
#ifndef LKMFS_OBJECT_X86_64_CODE_H
#define LKMFS_OBJECT_X86_64_CODE_H

#include "object/x86_64/units.h"

/* An unconditional jump to a global of its own section. */
struct jump {
    uint32_t section;
    uint64_t offset;
    unsigned field; /* bytes from there to the displacement */
    struct target target;
};

struct jumps {
    struct jump *items;
    size_t count, capacity;
    bool out_of_memory;
};

void jumps_add(struct jumps *jumps, const struct jump *jump);

/* Adds the relocations of those that were left to the linker, by r->units and r->objects. Frees `jumps`' items. */
void jumps_decide(struct restore *r, struct jumps *jumps);

#endif
