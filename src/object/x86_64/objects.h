/*
 * objects.h - the order in which the linker joined the objects of a module, as far as code tells.
 *
 * Where the linker merged .text.unlikely into .text, nothing tells where objects end, but for ties: the order is likely
 * at best. Elsewhere, in every object .text comes first. So what objtool wrote for an object's other code comes right
 * after what it wrote for the last of its functions in .text, and the order on disk is known once that is known for
 * every piece (pieces.h).
 */
#ifndef LKMFS_OBJECT_X86_64_OBJECTS_H
#define LKMFS_OBJECT_X86_64_OBJECTS_H

#include "object/x86_64/units.h"

struct objects;

/* NULL when the module has nothing to tell objects by, or without memory. Needs settled units, and untouched tables. */
struct objects *objects_new(struct restore *r);
void objects_free(struct objects *objects);

/* Rank on disk, object by object and in these section by section, of code at `offset` of section `index`. */
uint64_t objects_rank(const struct objects *objects, uint32_t index, uint64_t offset);

/* After how many functions of .text the object ends that code at `offset` of section `index` is of, as far as known. */
uint32_t objects_end(const struct objects *objects, uint32_t index, uint64_t offset);

/* Whether code at two offsets of section `index` is of one object: of .text only. */
enum kinship objects_compare(const struct objects *objects, uint32_t index, uint64_t a, uint64_t b);

/* How many pieces there are, and the place of how many of them is likely but not proven. */
size_t objects_pieces(const struct objects *objects, size_t *likely);

#endif
