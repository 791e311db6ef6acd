/*
 * metadata.h - sections that the loader discards and that are made anew from what the kernel knows.
 */
#ifndef LKMFS_OBJECT_METADATA_H
#define LKMFS_OBJECT_METADATA_H

#include "object/builder.h"
#include "object/draft.h"

/* Adds a section of `size` bytes that the draft takes over (`data` is malloc'd and freed on failure). */
struct draft_section *metadata_add(struct draft *draft, const char *name, uint8_t *data, uint64_t size,
                                   enum lkmfs_provenance from, const char *rule);

/* modinfo.c: .modinfo. `modules` and `exports` may be NULL (nothing is said of dependencies and name spaces then). */
void modinfo_draft(struct draft *draft, const struct lkmfs_modules *modules, const struct lkmfs_exports *exports);

/* versions.c: __versions, the CRCs of all imports, when all of them are known; else a doubt. */
void versions_draft(struct draft *draft, const struct lkmfs_exports *exports);

/* btf.c: .BTF, from the kernel's private copy. */
void btf_draft(struct draft *draft);

#endif
