/*
 * fuzz_objects.h - builds the files of modules and checks what object.h promises.
 */
#ifndef LKMFS_FUZZ_OBJECTS_H
#define LKMFS_FUZZ_OBJECTS_H

#include "lkmfs/object.h"

/* Builds every kind of file of the first `limit` modules. */
void fuzz_build_objects(const struct lkmfs_modules *modules, size_t limit);

#endif
