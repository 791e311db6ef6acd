/*
 * loadable.h - a draft made fit for insmod (LOADER.md sections 3 and 6).
 */
#ifndef LKMFS_OBJECT_LOADABLE_H
#define LKMFS_OBJECT_LOADABLE_H

#include "object/draft.h"

/*
 * Drops the freed init part, every table entry that speaks of it, the pointers to the init and exit functions, notes,
 * and imports that nothing uses any more. To be called when relocations are drafted, before .modinfo and __versions
 * are.
 */
void loadable_trim(struct draft *draft);

#endif
