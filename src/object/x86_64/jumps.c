/*
 * jumps.c - jumps to a global of the same section: the assembler resolved those inside an object, and left the others
 * to the linker (RECONSTRUCT.md section 4).
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "object/x86_64/code.h"
#include "object/x86_64/objects.h"

#define LIKELY_WITHIN 2048 /* a jump this short that nothing is known of is taken for one inside an object */

void jumps_add(struct jumps *jumps, const struct jump *jump)
{
    if (ARRAY_RESERVE(&jumps->items, &jumps->capacity, jumps->count))
        jumps->items[jumps->count++] = *jump;
    else
        jumps->out_of_memory = true;
}

/* What is not local there is called by the exit function, which is of another object as a rule. */
static bool is_exit(const char *section)
{
    return strcmp(section, ".exit.text") == 0;
}

static bool is_resolved(const struct restore *r, const struct jump *jump)
{
    uint64_t from = jump->offset, to = jump->target.offset;
    enum kinship kinship = units_compare(r->units, jump->section, from, to);
    if (kinship == KIN_UNKNOWN && r->objects)
        kinship = objects_compare(r->objects, jump->section, from, to);
    bool is_near = (from < to ? to - from : from - to) < LIKELY_WITHIN;
    return kinship == KIN_SAME || (kinship == KIN_UNKNOWN && is_near && !is_exit(section_at(r, jump->section)->name));
}

void jumps_decide(struct restore *r, struct jumps *jumps)
{
    for (size_t i = 0; i < jumps->count && !r->out_of_memory; i++) {
        struct jump *jump = &jumps->items[i];
        if (is_resolved(r, jump))
            continue;
        jump->target.from = LKMFS_FROM_INFERRED;
        relocate(r, jump->section, jump->offset + jump->field, R_X86_64_PLT32, &jump->target);
    }
    r->out_of_memory |= jumps->out_of_memory;
    free(jumps->items);
}
