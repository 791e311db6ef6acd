/*
 * counterparts.h - imports that only freed init code used, told by what exit code undoes.
 */
#ifndef LKMFS_OBJECT_COUNTERPARTS_H
#define LKMFS_OBJECT_COUNTERPARTS_H

#include "object/draft.h"

/*
 * For each import of .exit.text that undoes something (unregister_filesystem) adds the exported counterpart
 * (register_filesystem), which .init.text must have called, unless kept code imports it already. Inferred, and said so
 * in a doubt. To be called when the relocations are there.
 */
void counterparts_draft(struct draft *draft, const struct lkmfs_exports *exports);

#endif
