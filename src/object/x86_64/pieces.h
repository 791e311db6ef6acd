/*
 * pieces.h - code of one object in a section other than .text.
 */
#ifndef LKMFS_OBJECT_X86_64_PIECES_H
#define LKMFS_OBJECT_X86_64_PIECES_H

#include "object/x86_64/restore.h"
#include "object/x86_64/unwind.h"

/* Where its object ends in .text: at one of the gaps (ends.h) `low` to `high`. */
struct piece {
    uint32_t section;
    uint64_t start, end; /* offsets */
    uint32_t low, high;
    bool is_member; /* the function before `low` is known to be of its object */
    bool is_apart;  /* it is of a later object than the piece before in its section */
};

struct pieces {
    struct piece *items; /* ascending by section, then start */
    size_t count, capacity;
};

/*
 * Cuts all code but that of section `text` where the unwind table says that objects end, and where they may; the bounds
 * are those of a module of `function_count` functions. False without memory. The caller frees the items.
 */
bool pieces_find(const struct restore *r, uint32_t text, uint32_t function_count, const struct unwind *unwind,
                 struct pieces *ret);

/* Cuts it before every function, for want of such a table: where the linker merged code into .text that too. */
bool pieces_of_functions(const struct restore *r, uint32_t text, uint32_t function_count, struct pieces *ret);

/* The piece around `offset` of section `section`, NULL if there is none. */
struct piece *pieces_at(const struct pieces *pieces, uint32_t section, uint64_t offset);

/* Whether the piece is not the first of its section. */
bool piece_has_before(const struct pieces *pieces, size_t index);

/* Makes one piece of neighbours that may be of one object. */
void pieces_join(struct pieces *pieces);

#endif
