/*
 * emission.h - the order in which the compiler wrote the functions of a module, and so the entries of the tables that
 * code fills as it is written: __mcount_loc, __jump_table, __ex_table.
 *
 * Within .text it is that of the addresses. Functions of other sections were written in between: where, tell
 * __patchable_function_entries, as far as the linker left those in the order of objects, or the local symbols, which
 * the assembler lists as it meets them. What was split off a function was written with it.
 */
#ifndef LKMFS_OBJECT_X86_64_EMISSION_H
#define LKMFS_OBJECT_X86_64_EMISSION_H

#include "object/x86_64/restore.h"

struct emission;

/* Whether the compiler's table is in the order of sections, which says nothing. */
bool emission_is_by_section(const struct restore *r);

/* NULL without .text, or without memory. Needs untouched tables, and objects where they can be known. */
struct emission *emission_new(struct restore *r);
void emission_free(struct emission *emission);

/* Rank of the function around `offset` of section `index`. */
uint64_t emission_rank(const struct emission *emission, uint32_t index, uint64_t offset);

#endif
