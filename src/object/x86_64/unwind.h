/*
 * unwind.h - the unwind table (.orc_unwind_ip and .orc_unwind) as it lay in memory, sorted by address.
 */
#ifndef LKMFS_OBJECT_X86_64_UNWIND_H
#define LKMFS_OBJECT_X86_64_UNWIND_H

#include "object/x86_64/restore.h"

struct unwind_entry {
    uint32_t section; /* DRAFT_NONE where it points to nothing that is known */
    uint64_t offset;  /* may be the section's end */
    bool is_nothing;  /* no code: the gap behind a function, or the end of a section */
};

struct unwind {
    struct unwind_entry *entries;
    size_t count;
};

/* False when the module has no such table, or without memory. The caller frees `entries`. */
bool unwind_read(struct restore *r, struct unwind *ret);

/*
 * Entry `index` is known to be the last of its section in its object file: objtool ends every section with an entry for
 * nothing, but inside one never wrote two of those in a row, nor one for no byte.
 */
bool unwind_is_end(const struct unwind *unwind, size_t index);

/* Entry `index` is for nothing and the next one for the same address: it belongs to what lies before. */
bool unwind_is_double(const struct restore *r, size_t index, size_t count);

/* What entry `index`, which holds `address`, points to. */
bool unwind_target(struct restore *r, size_t index, uint64_t address, struct target *ret);

#endif
