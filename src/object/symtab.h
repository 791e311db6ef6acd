/*
 * symtab.h - the symbols of the rebuilt file, out of those the kernel kept.
 */
#ifndef LKMFS_OBJECT_SYMTAB_H
#define LKMFS_OBJECT_SYMTAB_H

#include "object/layout.h"

/*
 * Drafts every surviving symbol with its section and section-relative value; binding, type, visibility and size as
 * kept. Locals stay before globals, as in the original .symtab.
 */
void symtab_draft(struct layout *layout);

/*
 * For kernels that keep text symbols only (no CONFIG_KALLSYMS_ALL): adds the symbols that the module's own tables still
 * name, labelled as inferred. Does nothing where data symbols were kept.
 */
void symtab_add_named(struct layout *layout, const struct lkmfs_exports *exports, size_t module_index);

#endif
