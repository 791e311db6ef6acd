/*
 * ends.h - after which functions of .text the objects of a module end. A gap is told by the number of functions before
 * it: 0 to their count, where an object surely ends.
 */
#ifndef LKMFS_OBJECT_X86_64_ENDS_H
#define LKMFS_OBJECT_X86_64_ENDS_H

#include <stdbool.h>
#include <stdint.h>

struct ends {
    uint32_t count;  /* of functions */
    bool *can;       /* by gap: an object can end there */
    bool *does;      /* by gap: one is known to end there */
    uint32_t *until; /* by gap: one is known to end there or behind, up to this gap; set by ends_between() */
    /* By gap, after ends_index(): the first gap from there on, or the last up to there, for which that holds. */
    uint32_t *next_can, *last_can, *next_does;
    uint32_t *next_by; /* by gap, after ends_index(): from there on an object ends up to this gap */
};

/* Objects can end everywhere, and do at the start and at the end. False without memory. */
bool ends_init(struct ends *ends, uint32_t count);
void ends_free(struct ends *ends);

/* An object is known to end at one of the gaps `first` to `last`. */
void ends_between(struct ends *ends, uint32_t first, uint32_t last);

/* To be called after changes to `can` and `does`, and after ends_between(). */
void ends_index(struct ends *ends);

/* Whether more than one object is known to have functions in .text. Needs an index. */
bool ends_are_many(const struct ends *ends);

#endif
