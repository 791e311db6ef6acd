/*
 * taken.h - which addresses of the module its code refers to: what code takes the address of, it may store anywhere.
 */
#ifndef LKMFS_OBJECT_X86_64_TAKEN_H
#define LKMFS_OBJECT_X86_64_TAKEN_H

#include "object/x86_64/restore.h"

struct taken;

/* Needs the relocations of code. NULL without memory. */
struct taken *taken_new(const struct restore *r);
void taken_free(struct taken *taken);

/* Whether a relocation of code leads to `offset` of section `index`. */
bool taken_at(const struct taken *taken, uint32_t index, uint64_t offset);

/*
 * Where a relocation of code leads: to `*offset` of own section `*index`, which is less by the size of an immediate
 * behind a memory operand. False when to anything else.
 */
bool taken_target(const struct restore *r, const struct draft_relocation *relocation, uint32_t *index,
                  uint64_t *offset);

#endif
