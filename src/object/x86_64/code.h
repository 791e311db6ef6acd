/*
 * code.h - which functions of a section came from one object file (units.c): only then did the assembler itself resolve
 * a jump to a global function; otherwise the linker kept its relocation.
 */
#ifndef LKMFS_OBJECT_X86_64_CODE_H
#define LKMFS_OBJECT_X86_64_CODE_H

#include "object/x86_64/restore.h"

struct units;

struct units *units_new(struct restore *r);
void units_free(struct units *units);

/* The code at `offset` of section `index` holds a branch to `to` that the assembler resolved: one unit. */
void units_branch(struct units *units, uint32_t index, uint64_t offset, uint64_t to);

/* The code at `offset` refers to `address`: where that is a local symbol, both are of one unit. */
void units_reference(struct units *units, uint32_t index, uint64_t offset, uint64_t address);

/* A jump (`opcode` e9, or 8x for jcc) to a global of its own section, with its field `field` bytes in. */
void units_candidate(struct units *units, uint32_t index, uint64_t offset, unsigned field, uint8_t opcode,
                     const struct target *target);

/* Decides all candidates and adds the relocations of those that were left to the linker. */
void units_decide(struct units *units);

#endif
