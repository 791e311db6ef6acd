/*
 * leftovers.h - the objects of init functions that are gone, told by what these left: compilers drop local functions
 * and variables that nothing uses, so where nothing kept does, what was freed did. Such are a variable that nothing
 * kept refers to, one in .bss that is set but that kept code only reads, and a function that nothing kept refers to but
 * whose address lies in .bss. (Functions alone prove less: inline ones of headers stay behind unused.)
 */
#ifndef LKMFS_OBJECT_X86_64_LEFTOVERS_H
#define LKMFS_OBJECT_X86_64_LEFTOVERS_H

#include "object/x86_64/inits.h"

/* Adds those objects. False without memory. */
bool leftovers_find(struct inits *inits);

#endif
