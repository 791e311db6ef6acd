/*
 * undone.h - the objects of init functions that are gone, told by what the exit function undoes.
 *
 * It calls foo_exit() of the object whose foo_init() was called first. Where no kept function is named for that, it was
 * in .init.text: so for 98 of 103 such functions of all modules of Debian's 6.1, and for 52 of 56 of its 5.10, as far
 * as their objects are known.
 */
#ifndef LKMFS_OBJECT_X86_64_UNDONE_H
#define LKMFS_OBJECT_X86_64_UNDONE_H

#include "object/x86_64/inits.h"

/* Adds those objects. */
void undone_find(struct inits *inits);

#endif
