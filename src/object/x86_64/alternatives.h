/*
 * alternatives.h - the entries of .altinstructions and the macros that made them.
 */
#ifndef LKMFS_OBJECT_X86_64_ALTERNATIVES_H
#define LKMFS_OBJECT_X86_64_ALTERNATIVES_H

#include "object/x86_64/decode.h"
#include "object/x86_64/restore.h"
#include "object/x86_64/sites.h"

#define ALTERNATIVE_MAX 255 /* longest original: its length is one byte */

/* One struct alt_instr. */
struct alternative {
    uint64_t site, replacement;
    uint16_t feature, flags;
    uint8_t length;       /* of the original */
    uint8_t size;         /* of the replacement */
    const uint8_t *bytes; /* the replacement as in memory; NULL if its size is 0 */
    uint32_t index;       /* in the table */
};

/* All entries of one site, in the order of the table. */
struct alternative_group {
    const struct alternative *entries;
    size_t count, length;
};

/* What the file holds at a site. */
struct original {
    uint8_t bytes[ALTERNATIVE_MAX];
    size_t size;
    const char *import; /* NULL, or the function that the call in `bytes` leads to */
    struct target
        target; /* or the own code that the jump in `bytes` leads to; its section is DRAFT_NONE if there is none */
};

/* ---- macros.c ---- */

/* Fills *ret with the original, as long as the group, by the table of macros; false when no line matches. */
bool alternative_original(const struct restore *r, const struct alternative_group *group, struct original *ret);

/* static_cpu_has(): a jump to a snippet that tests the bit, until the CPU's features are known. */
bool alternative_is_feature_test(const struct alternative_group *group);

/* The original of the k-th such site: a jump to the k-th snippet of .altinstr_aux. */
bool alternative_snippet(const struct restore *r, size_t k, struct original *ret);

#endif
