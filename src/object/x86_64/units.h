/*
 * units.h - which code came from one object file.
 *
 * Offsets are those of code in the section with draft index `index`; its functions are counted in the order of their
 * addresses, and the first of them begins with the section.
 */
#ifndef LKMFS_OBJECT_X86_64_UNITS_H
#define LKMFS_OBJECT_X86_64_UNITS_H

#include "object/x86_64/restore.h"
#include "object/x86_64/ties.h"

struct units;

struct units *units_new(struct restore *r);
void units_free(struct units *units);

/* ---- proofs ---- */

/* The code at `offset` is of one object with that at `to`. */
void units_join(struct units *units, uint32_t index, uint64_t offset, uint64_t to);

/* The code at `offset` holds a branch to `to` that the assembler resolved: so it is of one object with it. */
void units_branch(struct units *units, uint32_t index, uint64_t offset, uint64_t to);

/* The code at `offset` refers to `address`: where that is a local symbol or a string, both are of one object. */
void units_reference(struct units *units, uint32_t index, uint64_t offset, uint64_t address);

/* It takes that address, which may be inside an object: then the end of the object may be taken as well. */
void units_address(struct units *units, uint32_t index, uint64_t offset, uint64_t address);

/* An object begins with the function at `offset`. */
void units_begin(struct units *units, uint32_t index, uint64_t offset);

/* beginnings.c: all that can be told by what lies between functions. */
void prove_beginnings(struct restore *r);

/* To be called once all proofs are in, before anything is asked. */
void units_settle(struct units *units);

/* ---- what they tell ---- */

enum kinship {
    KIN_UNKNOWN,
    KIN_SAME,  /* of one object */
    KIN_OTHER, /* of two */
};

enum kinship units_compare(struct units *units, uint32_t index, uint64_t a, uint64_t b);

/* Whether an object was said to begin with function number `function`. */
bool units_begins(const struct units *units, uint32_t index, uint32_t function);

/* Whether a branch from elsewhere leads to the start of function number `function`. */
bool units_is_called(const struct units *units, uint32_t index, uint32_t function);

/* Whether what lies in the section comes in the order of objects. */
bool units_is_ordered(const struct units *units, uint32_t index);

/* Whether functions of the section have symbols. */
bool units_are_named(const struct units *units, uint32_t index);

/* Offsets of the section's functions; *count is 0 when it is no code. */
const uint64_t *units_functions(const struct units *units, uint32_t index, size_t *count);

/*
 * The place of `offset` of section `index` for ties: lines are numbered as sections; places of code as functions where
 * these have symbols, else they are offsets.
 */
struct tie_end units_end(struct units *units, uint32_t index, uint64_t offset);

/* The place of symbol `symbol` on the line of local symbols; false when it is on none. */
bool units_symbol(const struct units *units, uint32_t symbol, struct tie_end *ret);

/* Ties all that is known to be of one object. False without memory. */
bool units_tell(const struct units *units, struct ties *ties);

#endif
