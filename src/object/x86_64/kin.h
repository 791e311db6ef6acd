/*
 * kin.h - whatever in a module tells that two things are of one object.
 */
#ifndef LKMFS_OBJECT_X86_64_KIN_H
#define LKMFS_OBJECT_X86_64_KIN_H

#include "object/x86_64/restore.h"
#include "object/x86_64/ties.h"

/*
 * Settled ties of all lines, with the `count` functions of section `text` as the base. Needs settled units, and
 * untouched tables. NULL without memory.
 */
struct ties *kin_ties(struct restore *r, uint32_t text, uint32_t count);

/* The function that the module begins or ends with; false when it has none. */
bool kin_hook(struct restore *r, bool is_exit, struct target *ret);

#endif
