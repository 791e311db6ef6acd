/*
 * apart.h - whatever in a module tells that two things are of two objects.
 */
#ifndef LKMFS_OBJECT_X86_64_APART_H
#define LKMFS_OBJECT_X86_64_APART_H

#include "object/x86_64/ends.h"
#include "object/x86_64/restore.h"
#include "object/x86_64/ties.h"

/* Tells between which gaps of .text an object ends for that. Needs settled ties. False without memory. */
bool apart_tell(const struct restore *r, const struct ties *ties, struct ends *ends);

#endif
