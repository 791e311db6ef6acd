/*
 * ties.h - what lies where among the object files of a module, concluded from what is known to be of one object.
 *
 * The linker concatenates objects: along every section, and along the list of local symbols, they come in one order.
 * Each of these is a line of places here. A tie says that places of two lines are of one object; so whatever lies
 * before the one is of no later object than whatever lies behind the other. From all ties together follows, for every
 * place of every line, between which places of one of them, the base, its object lies.
 */
#ifndef LKMFS_OBJECT_X86_64_TIES_H
#define LKMFS_OBJECT_X86_64_TIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ties;

/* A place on a line; places ascend in the order of objects. The highest line is 0xffff, the highest place 2^48 - 1. */
struct tie_end {
    uint32_t line;
    uint64_t place;
};

/*
 * The object of a place: base places below `low` are of no later object, those from `high` on are of no earlier one.
 * Where high < low, those from `high` to `low` - 1 are of the very object.
 */
struct bounds {
    uint32_t low, high;
};

/* The base is line `base`, with the places 0 to `count` - 1. NULL without memory. */
struct ties *ties_new(uint32_t base, uint32_t count);
void ties_free(struct ties *ties);

/* `a` and `b` are of one object. False without memory. */
bool ties_add(struct ties *ties, struct tie_end a, struct tie_end b);

/* To be called once all ties are in, before anything is asked. False without memory. */
bool ties_settle(struct ties *ties);

/* What follows for `end`, be it tied itself or not. */
struct bounds ties_bounds(const struct ties *ties, struct tie_end end);

/* Whether base places `place` - 1 and `place` are of one object. */
bool ties_joined(const struct ties *ties, uint32_t place);

#endif
