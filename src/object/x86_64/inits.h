/*
 * inits.h - which objects had the pieces of .init.text that are gone, told by what they left.
 */
#ifndef LKMFS_OBJECT_X86_64_INITS_H
#define LKMFS_OBJECT_X86_64_INITS_H

#include "object/x86_64/ends.h"
#include "object/x86_64/pieces.h"
#include "object/x86_64/ties.h"

/* How sure it is that the object had init code: surest first. */
enum init_sign {
    INIT_LEFT,        /* it left things that nothing kept uses (leftovers.h) */
    INIT_UNDONE,      /* it has a function that undoes something (undone.h) */
    INIT_UNDONE_WEAK, /* the same, by a word that may mean something else */
};

/* An object that had code in .init.text, and where it ends in .text. */
struct init_object {
    enum init_sign sign;
    uint32_t low, high;
    bool is_member;      /* as in struct piece */
    struct piece *piece; /* that the sign is in, NULL when it is in no piece */
};

#define INIT_OBJECTS_MAX 512

/* What is known of a module's objects, and those that had init code as they are found. */
struct inits {
    struct restore *r; /* with settled units */
    uint32_t text;     /* the section that `ends` is of */
    const struct ends *ends;
    const struct ties *ties;
    struct pieces *pieces;
    struct init_object found[INIT_OBJECTS_MAX];
    size_t count;
};

/* Adds the object that what lies at `offset` of section `index` is of, unless there are too many already. */
void inits_add(struct inits *inits, enum init_sign sign, uint32_t index, uint64_t offset);

/*
 * Narrows the bounds of pieces of .init.text to those of the objects that must have one: likely, not proven. Returns
 * for how many pieces that left one place.
 */
size_t inits_narrow(struct restore *r, uint32_t text, const struct ends *ends, const struct ties *ties,
                    struct pieces *pieces);

#endif
