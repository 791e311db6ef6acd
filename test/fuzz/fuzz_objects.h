/*
 * fuzz_objects.h - builds the files of modules and checks what object.h promises.
 */
#ifndef LKMFS_FUZZ_OBJECTS_H
#define LKMFS_FUZZ_OBJECTS_H

#include "lkmfs/object.h"

#define FUZZ_ALL_KINDS 7U

/* Builds files of the first `limit` modules; `kinds` has bit 1 << LKMFS_OBJECT_... for each kind of file. */
void fuzz_build_objects(const struct lkmfs_modules *modules, size_t limit, unsigned kinds);

#endif
